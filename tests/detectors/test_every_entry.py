"""Every entry of configs/config.yaml is proven: published keys, network, input, and a file from end to end.

The contract is tried in test_contract.py, on every class."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache

import pytest

from drishtiksha.settings import EMBEDDED_DIR, ROOT, load_settings
from drishtiksha.weights import read_sidecar

TESTS = ROOT / "tests"
PROOFS = ("keys", "network", "input", "a file from end to end")
CONTRACT = "detectors/test_contract.py::test_it_answers_with_scores_that_repeat"
"""Runs every detector that does not bring several files, on real pictures, clips and recordings."""


SHARED_KEYS, SHARED_PIXELS = "test_every_published_key_finds_its_place", "test_pixels_are_the_published_ones"
WHOLE_PATH, CLIP = "test_logits_and_the_whole_path_are_the_published_ones", "test_a_whole_clip_scores_as_the_reference"
CROSS, LIPS = "networks/test_cross_efficient_vit_network.py", "networks/test_lipfd.py"
CANARY = "detectors/test_every_entry.py::test_what_ships_has_a_canary"
HF = "detectors/test_hf_classifiers.py"
HF_KEYS, HF_ENTRIES = (
    f"{HF}::test_weights_must_fit_exactly",
    f"{HF}::test_each_entry_judges_a_network_of_its_publishers_kind",
)

TABLE: dict[tuple[str, ...], tuple[str, str, str, str, str]] = {
    # names: a file of tests/detectors; then the tests of keys, network, input and a file from end to end, by name alone where
    # they lie in that file. Of the detectors that were trained here there are no published keys: their file proves itself.
    ("FACE-BLEND-LITE-V1",): (
        "face_blend",
        CANARY,
        CANARY,
        "faces/test_crop.py::test_crop_without_resampling_is_that_part_of_the_frame",
        "test_the_altered_example_scores_above_the_untouched_one",
    ),
    ("VOICE-SPOOF-LITE-V1",): (
        "voice_detector",
        CANARY,
        CANARY,
        "test_a_full_window_of_speech_goes_in_as_it_is",
        "test_the_shipped_weights_answer_for_everything_that_holds_speech",
    ),
    ("VOICE-SPOOF-LITE-V2",): (
        "voice_whisper",
        CANARY,
        CANARY,
        "test_its_input_is_that_of_the_stored_windows",
        "test_the_shipped_weights_answer_for_the_sound_of_a_clip_and_never_clear_a_file",
    ),
    ("SIGLIP-LSTM-V1", "SIGLIP-LSTM-V4"): (
        "siglip_lstm",
        "test_the_published_keys_are_the_networks",
        "test_logits_are_the_references",
        "test_pixels_are_the_references",
        CLIP,
    ),
    ("SIGLIP-LSTM-V3",): (
        "siglip_lstm",
        "test_the_published_keys_are_the_networks",
        "test_logits_are_the_references",
        "test_pixels_are_the_references",
        "answer/test_every_line.py::test_every_line_is_told_with_its_own_words",
    ),
    ("COLOR-CUES-LSTM-V1",): (
        "color_cues",
        "test_the_keys_are_those_of_the_checkpoint",
        "test_logits_are_those_of_the_reference",
        "test_on_the_shared_clip_as_the_reference",
        "test_on_the_shared_clip_as_the_reference",
    ),
    ("EFFICIENTNET-B7-V1",): (
        "efficientnet_b7",
        SHARED_KEYS,
        "test_logits_are_those_of_the_reference_as_far_as_rounding_lets_them",
        "test_faces_are_fitted_as_by_the_reference_and_stay_rgb",
        "test_a_clip_from_end_to_end",
    ),
    ("EYEBLINK-CNN-LSTM-V1",): (
        "eyeblink",
        "test_the_keys_are_those_of_the_checkpoint",
        "test_logits_are_those_of_the_reference_turned_round",
        "test_pixels_are_those_of_the_reference",
        "test_on_the_shared_clip_as_the_reference",
    ),
    ("SCATTERING-WAVE-V1",): (
        "mel_scattering",
        "test_no_key_is_lost_and_none_invented",
        "networks/test_scattering.py::test_the_golden_logits",
        "test_inputs_are_the_references",
        "test_the_references_p_fake_on_the_shared_clip",
    ),
    ("MEL-SPECTROGRAM-CNN-V2", "MEL-SPECTROGRAM-CNN-V3"): (
        "mel_scattering",
        "test_no_key_is_lost_and_none_invented",
        "test_the_references_p_fake_on_the_shared_clip",
        "test_inputs_are_the_references",
        "test_the_references_p_fake_on_the_shared_clip",
    ),
    ("STFT-SPECTROGRAM-CNN-V2", "STFT-SPECTROGRAM-CNN-V3"): (
        "stft_spectrogram",
        "test_the_published_keys_are_the_networks",
        "test_scores_are_the_references",
        "test_pictures_are_the_references",
        CLIP,
    ),
    ("AUDIO-MFT-CRNN-V1",): (
        "audio_mft_crnn",
        "test_the_published_keys_are_the_networks",
        "test_logits_are_the_references",
        "test_inputs_are_the_references",
        CLIP,
    ),
    ("DISTIL-DIRE-V1",): (
        "distil_dire",
        SHARED_KEYS,
        "test_logits_are_those_of_the_reference",
        "test_pixels_are_those_of_the_reference",
        "test_a_picture_from_end_to_end",
    ),
    ("MFF-MOE-V1",): (
        "mff_moe",
        SHARED_KEYS,
        "test_probabilities_are_those_of_the_reference",
        "test_pixels_are_those_of_the_reference",
        "test_scores_of_a_clip_are_those_of_the_reference",
    ),
    ("CROSS-EFFICIENT-VIT-GAN", "CROSS-EFFICIENT-VIT-IMG"): (
        "cross_efficient_vit",
        f"{CROSS}::test_both_checkpoints_of_the_reference_have_the_same_layout",
        f"{CROSS}::test_logits_are_those_of_the_reference",
        f"{CROSS}::test_the_reference_crop_is_the_references",
        "test_a_clip_from_end_to_end",
    ),
    ("LIP-FD-V1",): (
        "lip_fd",
        "test_every_published_key_is_used_or_named_as_left_out",
        f"{LIPS}::test_golden_logit_and_features",
        f"{LIPS}::test_crops_and_overview_are_cut_as_in_the_authors_loader",
        "test_end_to_end",
    ),
    ("HF-SDXL-DETECTOR", "HF-AI-IMAGE-DETECTOR", "HF-DEEPFAKE-VIT-V2", "HF-DEEPFAKE-VS-REAL-VIT"): (
        "hf_classifiers",
        HF_KEYS,
        "test_a_picture_scores_as_in_the_publishers_pipeline",
        "test_a_picture_scores_as_in_the_publishers_pipeline",
        HF_ENTRIES,
    ),
    ("HF-DEEPFAKE-AUDIO-V2", "HF-DEEPFAKE-AUDIO"): (
        "hf_classifiers",
        HF_KEYS,
        "test_sound_scores_as_in_the_publishers_pipeline",
        "test_sound_scores_as_in_the_publishers_pipeline",
        HF_ENTRIES,
    ),
    ("COMMUNITY-FORENSICS-384", "COMMUNITY-FORENSICS-224"): (
        "community_forensics",
        SHARED_KEYS,
        "test_logits_are_those_of_the_published_network",
        "test_pixels_and_the_logit_of_the_whole_path_are_the_published_ones",
        "test_pictures_and_clips_from_end_to_end",
    ),
    ("GEND-CLIP-L14", "GEND-PE-L", "GEND-DINOV3-L"): (
        "gend",
        SHARED_KEYS,
        "test_logits_are_those_of_the_published_network",
        SHARED_PIXELS,
        "test_a_clip_from_end_to_end",
    ),
    ("WAVEREP",): (
        "wave_rep_b_free",
        SHARED_KEYS,
        "test_logits_of_the_whole_path_are_the_published_ones",
        "test_wavereps_pixels_are_the_published_ones",
        "test_a_clip_and_a_picture_from_end_to_end",
    ),
    ("B-FREE",): (
        "wave_rep_b_free",
        SHARED_KEYS,
        "test_logits_of_the_whole_path_are_the_published_ones",
        "test_b_frees_windows_in_their_order",
        "test_a_clip_and_a_picture_from_end_to_end",
    ),
    ("DFB-XCEPTION", "DFB-EFFICIENTNET-B4", "DFB-UCF", "DFB-SPSL"): (
        "deepfake_bench",
        "test_every_published_key_finds_its_place_or_is_named_as_unused",
        WHOLE_PATH,
        SHARED_PIXELS,
        CONTRACT,
    ),
    ("NPR",): (
        "npr",
        SHARED_KEYS,
        "test_logits_are_those_of_the_published_network",
        "test_pixels_and_the_logit_of_the_whole_path_are_the_published_ones",
        CONTRACT,
    ),
    ("UNIVERSAL-FAKE-DETECT",): (
        "universal_fake",
        SHARED_KEYS,
        "test_logits_of_the_whole_path_are_those_of_the_published_head",
        SHARED_PIXELS,
        "test_a_picture_from_end_to_end_and_further_squares_on_request",
    ),
    ("D3-RESNET-18",): (
        "d3_video",
        "test_every_published_key_finds_its_place_and_torchvisions_too",
        "test_the_number_is_the_published_one",
        SHARED_PIXELS,
        "test_a_clip_is_measured_and_not_judged_until_it_is_calibrated",
    ),
    ("D3-XCLIP-16",): (
        "d3_video",
        "test_of_x_clips_file_only_the_vision_tower_is_taken",
        "test_the_number_of_x_clip_is_the_published_one",
        SHARED_PIXELS,
        "test_frames_are_described_in_groups_of_eight",
    ),
    ("SELF-BLENDED-IMAGES",): ("self_blended", SHARED_KEYS, WHOLE_PATH, SHARED_PIXELS, CONTRACT),
    ("EFFORT", "EFFORT-GENIMAGE"): (
        "effort",
        SHARED_KEYS,
        "test_logits_of_the_whole_path_are_the_published_ones",
        SHARED_PIXELS,
        "test_faces_or_whole_pictures",
    ),
    ("ANTIDEEPFAKE-W2V-SMALL", "ANTIDEEPFAKE-W2V-LARGE", "ANTIDEEPFAKE-MMS-300M"): (
        "antideepfake",
        "test_published_keys_become_the_networks_own",
        "test_logits_are_the_published_networks",
        "test_logits_are_the_published_networks",
        "test_a_short_recording_is_judged_at_its_own_length",
    ),
    ("SPECTRA-AASIST", "SPECTRA-0"): (
        "xlsr_heads",
        "test_published_keys_become_the_networks_own",
        "test_heads_give_the_published_logits",
        "test_sound_is_pre_emphasised_before_it_is_cut_as_published",
        "test_speech_is_scored_window_by_window_and_silence_is_a_gap",
    ),
    ("XLSR-SLS-V1", "XLSR-AASIST-V1"): (
        "xlsr_heads",
        "test_published_keys_become_the_networks_own",
        "test_two_heads_on_one_full_encoder_give_the_published_logits",
        "test_two_heads_on_one_full_encoder_give_the_published_logits",
        "test_speech_is_scored_window_by_window_and_silence_is_a_gap",
    ),
    ("AASIST-V1", "AASIST-L-V1"): (
        "aasist",
        "test_published_keys_are_the_configured_networks",
        "networks/test_aasist.py::test_each_stage_and_the_logits_are_the_published_networks",
        "test_short_sound_is_repeated_from_its_start_never_padded_with_zeros",
        "test_windows_overlap_by_half_and_the_last_ends_with_the_recording",
    ),
    ("SONICS-ALPHA-5S", "SONICS-ALPHA-120S"): (
        "sonics",
        "test_published_keys_are_the_configured_networks",
        "test_spectrograms_and_logits_are_the_published_networks",
        "test_spectrograms_and_logits_are_the_published_networks",
        "test_the_window_that_was_published_decides",
    ),
    ("TRUFOR",): (
        "trufor",
        SHARED_KEYS,
        "test_maps_and_score_are_the_published_ones",
        SHARED_PIXELS,
        "test_tiny_pictures_are_a_gap_and_others_are_judged",
    ),
    ("SYNCNET",): (
        "syncnet",
        "test_it_is_the_published_network",
        "test_vectors_are_the_published_networks",
        "test_crops_are_the_published_ones",
        "test_a_clip_is_measured_and_not_judged",
    ),
}


ENTRIES = load_settings().models
ROWS = [
    (name, file, dict(zip(PROOFS, tests, strict=True))) for names, (file, *tests) in TABLE.items() for name in names
]


@cache
def parsed(file: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the tests in a file, and the texts that stand in it."""
    nodes = list(ast.walk(ast.parse((TESTS / file).read_text(encoding="utf-8"))))
    functions = frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))
    texts = frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return functions, texts


def test_no_entry_is_missing_and_none_stands_twice():
    assert Counter(name for name, _, _ in ROWS) == dict.fromkeys(ENTRIES, 1)


@pytest.mark.parametrize(("name", "file", "tests"), ROWS, ids=[name for name, _, _ in ROWS])
def test_each_proof_is_there_and_names_the_entry(name, file, tests):
    own = f"detectors/test_{file}.py"
    assert name in parsed(own)[1], f"{own} does not name {name}"
    for what, test in tests.items():
        place, _, function = test.rpartition("::")
        assert function in parsed(place or own)[0], f"{what} of {name}: there is no {function} in {place or own}"


@pytest.mark.parametrize("name", [name for name, _, tests in ROWS if tests["network"] == CANARY])
def test_what_ships_has_a_canary(name):
    sidecar = read_sidecar(EMBEDDED_DIR / f"{name}.safetensors")
    assert sidecar is not None
    assert sidecar.canary is not None
