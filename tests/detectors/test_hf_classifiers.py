"""Any Hugging Face classifier, on tiny random ones that these tests write to disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from media_factory import tone, write_audio
from safetensors.torch import load_file, save_file
from stand_ins import TINY, labels, vit, wav2vec2
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    CLIPImageProcessor,
    SwinConfig,
    SwinForImageClassification,
    Swinv2Config,
    Swinv2ForImageClassification,
    ViTImageProcessor,
    pipeline,
)

from drishtiksha.contract import Face, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.discovery import discover
from drishtiksha.detectors.hf_audio import HFAudioClassifier
from drishtiksha.detectors.hf_image import HFImageClassifier
from drishtiksha.errors import ConfigError, SkipSample, WeightsMismatchError, WeightsMissingError
from drishtiksha.explain.occlusion import PIECES
from drishtiksha.media.audio import read_audio
from drishtiksha.media.image import read_image
from drishtiksha.results import AnalysisResult, Prediction, SampleScore
from drishtiksha.settings import ROOT, MediaLimits, load_settings
from drishtiksha.weights import convert

ASSETS = ROOT / "assets"


def swin(folder: Path, *names: str, second: bool = False) -> Path:
    torch.manual_seed(0)
    config, network = (
        (Swinv2Config, Swinv2ForImageClassification) if second else (SwinConfig, SwinForImageClassification)
    )
    sizes = {"embed_dim": 8, "depths": (1, 1), "num_heads": (2, 2), "window_size": 4, "image_size": 32, "patch_size": 4}
    network(config(**sizes, **labels(*names))).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def ast(folder: Path) -> Path:
    torch.manual_seed(0)
    config = ASTConfig(**TINY, max_length=128, num_mel_bins=32, **labels("bonafide", "spoof"))
    ASTForAudioClassification(config).save_pretrained(folder)
    ASTFeatureExtractor(max_length=128, num_mel_bins=32).save_pretrained(folder)
    return folder


def make(cls: type[Detector], folder: Path, *fake: str, **fields) -> Detector:
    hears = cls is HFAudioClassifier
    kinds = {"isAudio": hears, "isImage": not hears, "isVideo": not hears}
    entry = {"class_name": cls.__name__, "description": "", "model_path": folder, "device": "cpu", **kinds}
    config = cls.Config(**entry, fake_labels=fake, **fields)
    return cls(config.model_copy(update={"model_name": "SOMEBODYS-MODEL"}))


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    return vit(tmp_path_factory.mktemp("hf") / "owner--two", "Real", "Fake")


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    return vit(tmp_path_factory.mktemp("hf") / "owner--three", "Real Photo", "Artificial", "Deepfake")


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> Path:
    return wav2vec2(tmp_path_factory.mktemp("hf") / "owner--speech")


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return read_image(ASSETS / "portrait.jpg", limits=MediaLimits())


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return read_audio(ASSETS / "clip_with_sound.mp4", 16_000, limits=MediaLimits())


def pipeline_scores(folder: Path, task: str, subject) -> dict[str, float]:
    run = pipeline(task, model=str(folder), device="cpu", top_k=None)
    return {one["label"]: one["score"] for one in run(subject)}


def test_a_picture_scores_as_in_the_publishers_pipeline(two, three, portrait):
    from PIL import Image

    theirs = pipeline_scores(two, "image-classification", Image.fromarray(portrait))
    ours = make(HFImageClassifier, two, "fake").load()
    sample = Sample(0, frame=portrait)
    assert ours.score(torch.stack(ours.preprocess(sample)))[0] == pytest.approx(theirs["Fake"], abs=1e-4)
    theirs = pipeline_scores(three, "image-classification", Image.fromarray(portrait))
    ours = make(HFImageClassifier, three, "artificial", "DEEPFAKE").load()
    p_fake, further = ours.judge(torch.stack(ours.preprocess(sample)))
    assert p_fake[0] == pytest.approx(theirs["Artificial"] + theirs["Deepfake"], abs=1e-4)
    assert further["label_real_photo"][0] == pytest.approx(theirs["Real Photo"], abs=1e-4)
    assert set(further) == {"label_real_photo", "label_artificial", "label_deepfake"}


@pytest.mark.parametrize(("writer", "fake"), [(wav2vec2, "fake"), (ast, "spoof")])
def test_sound_scores_as_in_the_publishers_pipeline(writer, fake, spoken, tmp_path):
    folder = writer(tmp_path / "owner--sound")
    window = spoken[:32_000]
    theirs = pipeline_scores(folder, "audio-classification", {"raw": window, "sampling_rate": 16_000})
    ours = make(HFAudioClassifier, folder, fake, speech_only=False).load()
    tensors = ours.preprocess(Sample(0, waveform=window, sample_rate=16_000))
    assert ours.score(torch.stack(tensors))[0] == pytest.approx(theirs[fake], abs=1e-4)


def test_logits_far_apart_stay_finite(two):
    detector = make(HFImageClassifier, two, "Fake").load()
    with torch.no_grad():
        detector.network.classifier.bias.copy_(torch.tensor([0.0, 300.0]))
        logits = detector.forward(torch.zeros(1, 3, 32, 32))
    assert 250 < float(logits[0]) < 350


@pytest.mark.parametrize("fake", [("synthetic",), ("Real", "Fake")])
def test_wrong_labels_are_refused_with_those_that_there_are(two, fake):
    with pytest.raises(ConfigError, match=r"\['Real', 'Fake'\]"):
        make(HFImageClassifier, two, *fake).load()


def test_one_output_speaks_for_its_label(tmp_path, portrait):
    folder = vit(tmp_path / "owner--one", "fake")
    detector = make(HFImageClassifier, folder, "fake").load()
    batch = torch.stack(detector.preprocess(Sample(0, frame=portrait)))
    with torch.no_grad():
        logit = detector.network(pixel_values=batch).logits[0, 0]
    assert detector.score(batch)[0] == pytest.approx(float(logit.sigmoid()), abs=1e-5)
    with pytest.raises(ConfigError, match=r"\['fake'\]"):
        make(HFImageClassifier, folder, "real").load()


def test_labels_that_do_not_exclude_each_other_keep_their_own_chance(tmp_path, portrait):
    folder = vit(tmp_path / "owner--many", "smile", "generated", "swapped")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"problem_type": "multi_label_classification"}))
    detector = make(HFImageClassifier, folder, "generated", "swapped").load()
    batch = torch.stack(detector.preprocess(Sample(0, frame=portrait)))
    with torch.no_grad():
        chances = detector.network(pixel_values=batch).logits[0].sigmoid()
    assert detector.score(batch)[0] == pytest.approx(float(chances[1:].max()), abs=1e-5)


def test_labels_must_be_given(two):
    with pytest.raises(ValueError, match="fake_labels"):
        make(HFImageClassifier, two)


def test_weights_must_fit_exactly(tmp_path):
    folder = vit(tmp_path / "owner--net", "Real", "Fake")
    weights = load_file(folder / "model.safetensors")
    for change in ({"classifier.bias": None}, {"stranger": torch.zeros(1)}, {"classifier.bias": torch.zeros(3)}):
        changed = {key: tensor for key, tensor in (weights | change).items() if tensor is not None}
        save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(WeightsMismatchError, match=next(iter(change)).split(".", maxsplit=1)[0]):
            make(HFImageClassifier, folder, "Fake").load()


def test_absent_and_incomplete_folders_are_refused(tmp_path):
    with pytest.raises(WeightsMissingError):
        make(HFImageClassifier, tmp_path / "absent", "Fake").load()
    folder = vit(tmp_path / "owner--net", "Real", "Fake")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(WeightsMismatchError, match=r"preprocessor_config\.json"):
        make(HFImageClassifier, folder, "Fake").read_network(folder)


def test_pickles_and_foreign_code_are_refused(tmp_path):
    folder = vit(tmp_path / "owner--pickle", "Real", "Fake")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsMismatchError, match=r"weights convert .*pytorch_model\.bin .*model\.safetensors"):
        make(HFImageClassifier, folder, "Fake").read_network(folder)
    convert(folder / "pytorch_model.bin", folder / "model.safetensors")
    assert make(HFImageClassifier, folder, "Fake").read_network(folder) is not None
    folder = vit(tmp_path / "owner--code", "Real", "Fake")
    config = json.loads((folder / "config.json").read_text())
    code = {"AutoConfig": "evil.Config", "AutoModelForImageClassification": "evil.Net"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "evil", "auto_map": code}))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(WeightsMismatchError):
        make(HFImageClassifier, folder, "Fake").read_network(folder)
    assert not (tmp_path / "ran").exists()


def test_the_network_alone_is_built_from_the_folder(two):
    detector = make(HFImageClassifier, two, "Fake")
    shapes = [
        {key: tensor.shape for key, tensor in n.state_dict().items()} for n in (detector.build(), detector.network)
    ]
    assert shapes[0] == shapes[1]


def test_pictures_must_become_tensors_of_one_size(tmp_path):
    folder = vit(tmp_path / "owner--loose", "Real", "Fake", do_resize=False)
    with pytest.raises(ConfigError, match="several sizes"):
        make(HFImageClassifier, folder, "Fake").load()


def test_a_wrong_sample_rate_is_refused(speech):
    with pytest.raises(ConfigError, match="16000 Hz"):
        make(HFAudioClassifier, speech, "fake", sample_rate=8_000).load()


def test_a_heatmap_lies_where_the_processor_looked(tmp_path, two):
    cut = vit(tmp_path / "owner--cut", "Real", "Fake")
    crop = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}
    CLIPImageProcessor(**crop).save_pretrained(cut)
    face = Face((200.0, 100.0, 300.0, 200.0), 1.0)
    sample = Sample(0, frame=np.zeros((400, 800, 3), np.uint8), faces=(face,))
    assert make(HFImageClassifier, two, "Fake").load().region(sample, None) is None
    assert make(HFImageClassifier, cut, "Fake").load().region(sample, None) == (240.0, 40.0, 560.0, 360.0)
    assert make(HFImageClassifier, two, "Fake", face_margin=0.5).load().region(sample, 0) == (150.0, 50.0, 350.0, 250.0)


@pytest.mark.slow
@pytest.mark.parametrize("look_at", ["frame", "faces"])
@pytest.mark.parametrize("name", ["portrait.jpg", "clip_silent.mp4"])
def test_pictures_and_videos_end_to_end(three, look_at, name):
    fields = {"look_at": look_at, "num_frames": 4, "batch_size": 64}
    detector = make(HFImageClassifier, three, "artificial", "deepfake", **fields).load()
    events = []
    result = detector.analyze(ASSETS / name, events.append)
    assert {event.model_name for event in events} == {"SOMEBODYS-MODEL"}
    assert AnalysisResult.model_validate_json(result.model_dump_json()) == result
    assert result.coverage > 0.5
    assert result.metrics["frames_judged"] >= 1
    assert "faces_judged" in result.metrics or look_at == "frame"
    assert all("label_deepfake" in score.measures for score in result.scores if score.p_fake is not None)
    assert result.heatmaps[0].method == "occlusion"
    assert (result.heatmaps[0].face_box is None) == (look_at == "frame")
    assert str(ROOT) not in result.model_dump_json()


PUBLISHERS = {
    "HF-SDXL-DETECTOR": lambda folder: swin(folder, "artificial", "human"),
    "HF-AI-IMAGE-DETECTOR": lambda folder: swin(folder, "artificial", "real", second=True),
    "HF-DEEPFAKE-VIT-V2": lambda folder: vit(folder, "Realism", "Deepfake"),
    "HF-DEEPFAKE-VS-REAL-VIT": lambda folder: vit(folder, "Real", "Fake"),
    "HF-DEEPFAKE-AUDIO-V2": wav2vec2,
    "HF-DEEPFAKE-AUDIO": wav2vec2,
}
"""The entries of configs/config.yaml, and a tiny network of the kind and with the labels that their publishers have."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHERS)
def test_each_entry_judges_a_network_of_its_publishers_kind(name, tmp_path, spoken):
    entry = load_settings().models[name]
    cls = discover()[entry["class_name"]]
    own = {"model_path": PUBLISHERS[name](tmp_path / "owner--model"), "device": "cpu", "model_name": name}
    detector = cls(cls.Config(**entry | own)).load()
    hears = entry.get("isAudio", False)
    file = write_audio(tmp_path / "a.flac", spoken, 16_000) if hears else ASSETS / "portrait.jpg"
    result = detector.analyze(file, explain=False)
    assert (result.model_name, result.coverage > 0.5) == (name, True)
    assert bool(result.scores[0].faces) == (entry.get("look_at") == "faces")


def test_without_a_face_it_says_so_where_it_looks_at_faces(two):
    result = make(HFImageClassifier, two, "Fake", look_at="faces", num_frames=2).load().analyze(ASSETS / "no_face.mp4")
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.gap == "no_face"


def test_recordings_end_to_end(speech, spoken, tmp_path):
    detector = make(HFAudioClassifier, speech, "fake", window_s=2.0).load()
    for path in (write_audio(tmp_path / "a.flac", spoken, 16_000), ASSETS / "clip_with_sound.mp4"):
        result = detector.analyze(path)
        judged = [score for score in result.scores if score.p_fake is not None]
        assert result.metrics["windows_judged"] == len(judged) > 0
        assert result.heatmaps[0].method == "occlusion"
        assert result.heatmaps[0].array().shape == (1, PIECES)


def test_what_is_silent_or_not_speech_is_a_gap(speech):
    listens = make(HFAudioClassifier, speech, "fake").load()
    everything = make(HFAudioClassifier, speech, "fake", speech_only=False).load()
    silence, beep = Sample(0, waveform=np.zeros(80_000, np.float32)), Sample(0, waveform=tone(5.0))
    for detector, sample, gap in ((everything, silence, "no_speech"), (listens, beep, "no_speech")):
        with pytest.raises(SkipSample) as skipped:
            detector.preprocess(sample)
        assert skipped.value.reason == gap
    assert len(everything.preprocess(beep)) == 1


def test_muting_what_the_score_hangs_on_is_bright(speech, spoken, monkeypatch):
    detector = make(HFAudioClassifier, speech, "fake", speech_only=False).load()
    waveform = np.full(80_000, 0.1, np.float32)
    monkeypatch.setattr(detector, "_features", torch.from_numpy)
    monkeypatch.setattr(detector, "score", lambda batch: batch[:, 40_000:44_000].abs().mean(dim=1).numpy() * 9)
    score = SampleScore(index=0, time_s=10.0, end_s=15.0, p_fake=0.9)
    (heatmap,) = detector.explain(Sample(0, 10.0, 15.0, waveform=waveform), score)
    assert int(heatmap.array().argmax()) == 10
    assert (heatmap.array() > 0).sum() == 1
    assert (heatmap.time_s, heatmap.end_s) == (10.0, 15.0)


def test_a_short_last_window_is_repeated_not_filled_with_silence(speech, spoken):
    detector = make(HFAudioClassifier, speech, "fake", speech_only=False).load()
    padded = np.concatenate([spoken[8_000:32_000], np.zeros(56_000, np.float32)])
    repeated = np.resize(spoken[8_000:32_000], 80_000)
    (short,) = detector.preprocess(Sample(0, 5.0, 6.5, waveform=padded, sample_rate=16_000))
    (full,) = detector.preprocess(Sample(0, 5.0, 10.0, waveform=repeated, sample_rate=16_000))
    assert short.equal(full)
