"""SYNCNET: vectors, cepstrum, crops and search as published; what it says, and that it never says more."""

from __future__ import annotations

import cv2
import golden
import numpy as np
import pytest
import soundfile
import torch
from detector_kit import SMALL, stand_in_weights
from torch.nn.functional import pairwise_distance

from drishtiksha.detectors.lip_agreement import APART, LIMITS, TOGETHER, UNCLEAR, agreement_in_words
from drishtiksha.detectors.syncnet import SyncNetDetector
from drishtiksha.features.lip_sync import around, cepstrum, face_square, heard, smoothed, speechless, to_16_bit
from drishtiksha.media.audio import read_audio
from drishtiksha.media.video import iter_frames
from drishtiksha.networks.syncnet import LipsAndVoice, SyncNet, agreement, distances, steps_needed
from drishtiksha.results import GapReason, MediaInfo, MediaKind, Prediction, SampleScore
from drishtiksha.settings import ROOT, MediaLimits, load_settings

NAME = "SYNCNET"
CLIP = ROOT / "assets" / "clip_with_sound.mp4"


@pytest.fixture(scope="module")
def facts() -> dict:
    return golden.load(NAME)


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return golden.arrays(NAME)


@pytest.fixture(scope="module")
def network() -> LipsAndVoice:
    """With stand-in weights; built as the configuration says."""
    config = SyncNetDetector.Config(**load_settings().models[NAME])
    with torch.device("meta"):
        built = SyncNetDetector(config).build()
    built.load_state_dict(golden.state_dict(NAME), strict=True, assign=True)
    return built.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> SyncNetDetector:
    fields = SMALL["SyncNetDetector"]
    path = stand_in_weights(SyncNetDetector, tmp_path_factory.mktemp("small") / "w.pt", **fields)
    base = {"class_name": "SyncNetDetector", "description": "", "model_path": path, "isMultiModal": True}
    return SyncNetDetector(SyncNetDetector.Config(**base, **fields, device="cpu")).load()


def test_vectors_are_the_published_networks(network, facts, arrays):
    lips, sound, apart = facts["cases"]
    pictures = 255 * torch.rand(lips["shape"], generator=torch.Generator().manual_seed(1234))
    steps = 10 * torch.randn(sound["shape"], generator=torch.Generator().manual_seed(4321))
    with torch.inference_mode():
        seen, said = network.lips(pictures), network.sound(steps)
    assert np.abs(seen.numpy() - arrays["lip_embedding"]).max() < 1e-3
    assert np.abs(said.numpy() - arrays["audio_embedding"]).max() < 1e-3
    assert pairwise_distance(seen, said).tolist() == pytest.approx(apart["distance"], abs=1e-3)


def test_the_cepstrum_is_the_published_one(facts, arrays):
    path = golden.SHARED / "data/speech/real/librispeech/0000.flac"
    found = cepstrum(soundfile.read(path, dtype="int16")[0])
    assert list(found.shape) == facts["mfcc"]["shape"]
    assert np.abs(found[:200] - arrays["mfcc"]).max() < 1e-4
    assert found.mean(axis=0) == pytest.approx(facts["mfcc"]["column_mean"], abs=1e-4)
    assert np.array_equal(to_16_bit(np.array([-1.0, 0.5, 1.0], np.float32)), [-32768, 16384, 32767])


def test_crops_are_the_published_ones(facts, arrays):
    for case in facts["crop"]:
        picture = cv2.imread(str(golden.SHARED / case["source"]))
        x0, y0, x1, y1 = case["box"]
        found = face_square(picture, max(x1 - x0, y1 - y0) / 2, (x0 + x1) / 2, (y0 + y1) / 2)
        step = 2 if "2" in case["slice"] else 4
        assert np.abs(found[::step, ::step].astype(int) - arrays[case["npz"]].astype(int)).max() <= 1
        assert found.mean(axis=(0, 1)) == pytest.approx(case["channel_mean_bgr"], abs=0.1)


def test_the_search_finds_the_published_offset(facts):
    wanted = facts["offset_search"]
    generator = torch.Generator().manual_seed(77)
    sound = 0.25 * torch.randn(60, 1024, generator=generator)
    lips = torch.roll(sound, 3, 0) + 0.1 * torch.randn(60, 1024, generator=generator)
    apart = distances(lips, sound)
    assert apart.mean(dim=0).tolist() == pytest.approx(wanted["mean_distances"], abs=1e-3)
    offset, least, confidence = (float(value) for value in agreement(apart))
    assert (offset, least, confidence) == pytest.approx((3, wanted["min_dist"], wanted["confidence"]), abs=1e-3)
    within = distances(lips[20:40], sound[5:55], lead=15)
    assert torch.allclose(within, apart[20:40], atol=1e-5), "a part of the film with the sound around it"


@pytest.mark.slow
def test_crops_and_sound_of_a_clip_give_the_published_distances(network, facts, arrays):
    """Two windows of the clip instead of 45: the way from the file to the vectors."""
    case = facts["clip"]
    clip = golden.clip("street_faces_1080p.mp4")
    frames = [frame.image for frame in iter_frames(clip, range(6), limits=MediaLimits())]
    x0, y0, x1, y1 = case["box"]
    crops = [face_square(f, max(x1 - x0, y1 - y0) / 2, (x0 + x1) / 2, (y0 + y1) / 2)[..., ::-1] for f in frames]
    assert np.abs(crops[0][::2, ::2].astype(int) - arrays["clip_crop0_bgr"].astype(int)).mean() < 2
    pixels = torch.from_numpy(np.stack(crops)).permute(3, 0, 1, 2).float()
    # The sound begins 10 ms after the picture, which ffmpeg passed over.
    track = to_16_bit(read_audio(clip, 16_000, limits=MediaLimits())[160:32_160])
    steps = torch.from_numpy(cepstrum(track).T.astype(np.float32))
    with torch.inference_mode():
        lips = network.lips(torch.stack([pixels[:, i : i + 5] for i in range(2)]))
        sound = network.sound(torch.stack([steps[:, 4 * i : 4 * i + 20] for i in range(2)])[:, None])
    wanted = {way: torch.from_numpy(arrays[f"clip_{way}_embedding"][:2].astype(np.float32)) for way in ("lip", "audio")}
    assert (lips[:, :64] - wanted["lip"]).abs().max() < 0.05
    assert (sound[:, :64] - wanted["audio"]).abs().max() < 0.05


def test_sound_that_is_not_there_is_left_out():
    tiny = LipsAndVoice((4, 8, 8), 16).eval()
    crops = 255 * torch.rand(12, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    sound = torch.randn(13, steps_needed(12), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        whole = tiny.measure(crops, sound)
        sound[:, :60] = float("nan")
        cut = tiny.measure(crops, sound)
        sound[:] = float("nan")
        none = tiny.measure(crops, sound)
    assert all(bool(value.isfinite()) for value in (*whole, *cut, *none))
    assert float(whole[1]) != float(none[1])


def test_boxes_are_joined_and_smoothed():
    boxes = [None] * 21
    boxes[0], boxes[10], boxes[20] = (0.0, 0.0, 100.0, 120.0), (10.0, 0.0, 110.0, 120.0), (20.0, 0.0, 120.0, 120.0)
    found = smoothed(boxes)
    assert found[10] == pytest.approx([60, 60, 60])
    assert found[8, 1] == pytest.approx(58)
    jump = [(0.0, 0.0, 100.0, 100.0)] * 20
    jump[9] = (500.0, 0.0, 600.0, 100.0)
    assert np.ptp(smoothed(jump)[:, 1]) == 0, "one frame that went wrong"
    with pytest.raises(ValueError, match="at least"):
        smoothed([None])


def test_the_sound_of_a_stretch_begins_before_it():
    track = np.arange(500, dtype=np.float32)[None].repeat(14, axis=0)
    later = around(track[:, 140:400], 2.0, 0.6, 200)
    assert later[0, 60] == 200
    start = around(track[:, :200], 0.2, 0.6, 200)
    assert np.isnan(start[:, :40]).all()
    assert start[0, 60] == 20
    assert np.isnan(around(track[:, 440:500], 5.0, 0.6, 200)[:, 60:]).all()


def test_speech_is_known_from_silence():
    waveform = read_audio(CLIP, 16_000, limits=MediaLimits())
    part = heard(waveform)
    assert part.shape == (14, -(-len(waveform) // 160))
    assert not speechless(part)
    assert speechless(heard(np.zeros(32_000, np.float32)))


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 60.0])
def test_any_frame_rate_becomes_25_a_second(small, fps):
    media = MediaInfo(name="a.mp4", sha256="", size_bytes=1, kind=MediaKind.VIDEO, container="mp4", fps=fps)
    places = np.array(small.sampling(media).places)
    assert abs(len(places) - 25) <= 1
    assert np.abs(places / fps - np.arange(len(places)) / min(fps, 25)).max() < 0.5 / fps + 1e-9


@pytest.mark.slow
def test_a_clip_is_measured_and_not_judged(small):
    result = small.analyze(CLIP)
    assert (result.prediction, result.p_fake, result.confidence) == (Prediction.INCONCLUSIVE, None, None)
    assert result.gap is GapReason.NOT_CALIBRATED
    measured = [score for score in result.scores if "confidence" in score.measures]
    assert measured
    assert {score.p_fake for score in result.scores} == {None}
    assert result.metrics["stretches_measured"] == len(measured)
    assert LIMITS in result.notes
    assert result.heatmaps == ()


def stretch(place: int, confidence: float, offset_ms: float = 0.0) -> SampleScore:
    measures = {"confidence": confidence, "offset_ms": offset_ms, "distance": 7.0}
    times = {"time_s": 10.0 * place, "end_s": 10.0 * place + 2}
    return SampleScore(index=place, **times, gap=GapReason.NOT_CALIBRATED, measures=measures)


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        ([(5.0, 40.0), (4.0, 0.0), (6.0, -40.0)], TOGETHER),
        ([(5.0, 160.0), (4.0, 160.0)], "160 ms before the lips"),
        ([(5.0, -200.0), (4.0, -200.0)], "200 ms after the lips"),
        ([(1.0, 40.0), (0.5, 400.0), (1.2, -80.0)], APART),
        ([(1.0, 40.0)], UNCLEAR),
        ([(2.0, 0.0), (2.5, 0.0)], UNCLEAR),
        ([(6.0, 0.0), (5.0, 0.0), (0.7, 320.0)], "not in others (00:20-00:22)"),
    ],
)
def test_what_was_measured_in_words(measured, said):
    metrics, (sentence, limits) = agreement_in_words([stretch(i, *one) for i, one in enumerate(measured)])
    assert said in sentence
    assert limits == LIMITS
    assert metrics["seconds_measured"] == 2 * len(measured)
    assert not {"fake", "forged"} & set(sentence.replace("A lip-synced fake", "").split())


def test_nothing_measured_says_nothing():
    gap = SampleScore(index=0, time_s=0.0, end_s=2.0, gap=GapReason.NO_SPEECH)
    assert agreement_in_words([gap]) == ({}, ())


def test_of_several_faces_the_one_that_agrees_best_speaks(small):
    assert small.foremost([0.9, 0.1], [{"confidence": 1.0}, {"confidence": 4.0}]) == 1


def test_it_is_the_published_network():
    published = {key: tuple(shape) for key, (shape, _) in golden.load(NAME)["state_dict"].items()}
    with torch.device("meta"):
        built = SyncNet()
    assert {key: tuple(tensor.shape) for key, tensor in built.state_dict().items()} == published
