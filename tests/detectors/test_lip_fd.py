"""What LIP-FD-V1 itself decides: keys, gaps, options, heatmap. Small random networks, and the published key list."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import golden
import numpy as np
import pytest
import torch
from media_factory import speech_like, write_video

from drishtiksha.analysis import analyze, faces
from drishtiksha.analysis.faces import find_faces
from drishtiksha.analysis.plans import clip_starts
from drishtiksha.analysis.shared import SharedMedia
from drishtiksha.analysis.sources import RunContext, open_source
from drishtiksha.contract import Sample
from drishtiksha.detectors.device import keep_in_bfloat16
from drishtiksha.detectors.lip_fd import FACE, TEXT_TOWER, LipFDConfig, LipFDetectorV1
from drishtiksha.errors import WeightsMismatchError, WrongMediaKindError
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.features.lip_picture import mel_picture
from drishtiksha.media.audio import read_audio
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.image import read_image
from drishtiksha.results import AnalysisResult, Prediction, SampleScore
from drishtiksha.settings import ROOT, MediaLimits
from drishtiksha.weights import fitted

ASSETS = ROOT / "assets"
SMALL = {"clip_width": 64, "clip_layers": 1, "clip_heads": 2, "resnet_layers": (1, 1, 1, 1)}


def make(path: Path, **fields) -> LipFDetectorV1:
    config = LipFDConfig(
        class_name="LipFDetectorV1",
        description="",
        model_path=path,
        device="cpu",
        isMultiModal=True,
        **(SMALL | {"num_windows": 4} | fields),
    )
    return LipFDetectorV1(config.model_copy(update={"model_name": "LIP-FD-V1"}))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """As the authors wrap theirs, with a text tower beside it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "ckpt.pth"
    state = make(path).build().state_dict()
    state["backbone.fc.weight"] /= 50
    texts = {key + ("weight" if key.endswith(".") else ""): torch.zeros(1) for key in TEXT_TOWER}
    torch.save({"model": state | texts, "total_steps": 3}, path)
    return path


@pytest.fixture(scope="module")
def detector(checkpoint) -> LipFDetectorV1:
    return make(checkpoint).load()


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return read_image(ASSETS / "portrait.jpg", limits=MediaLimits())


def run_of(frame: np.ndarray, sound: np.ndarray | None = None) -> Sample:
    heard = np.arange(3 * 128 * 8, dtype=np.uint8).reshape(3, 128, 8) if sound is None else sound
    found, _ = find_faces(frame, FACE)
    return Sample(0, 0.0, 0.2, 2, frame, found, frames=(frame,) * 5, sound=heard)


def test_every_published_key_is_used_or_named_as_left_out():
    facts = golden.load("LIP-FD-V1")["state_dict"]
    with torch.device("meta"):
        own = LipFDetectorV1(LipFDConfig(class_name="", description="", model_path=Path("x.pth"))).build().state_dict()
        published = {key: torch.empty(shape) for key, (shape, _) in facts.items()}
    prefixed = {f"module.{key}": tensor for key, tensor in published.items()}
    mapped = fitted(prefixed, own, make(Path("x.pth")).remap, "LIP-FD-V1")
    assert set(mapped) == set(own)
    assert all(mapped[key].shape == own[key].shape for key in own)
    left = set(published) - set(mapped)
    assert left
    assert all(key.startswith(TEXT_TOWER) for key in left)
    assert all(any(key.startswith(prefix) for key in left) for prefix in TEXT_TOWER)


def test_a_checkpoint_with_keys_of_another_network_is_refused(checkpoint, tmp_path):
    state = torch.load(checkpoint, weights_only=True)["model"]
    torch.save({"model": state | {"encoder.visual.stranger": torch.zeros(1)}}, tmp_path / "other.pth")
    with pytest.raises(WeightsMismatchError, match="stranger"):
        make(tmp_path / "other.pth").load()


@pytest.mark.slow
def test_the_options_change_what_is_looked_at(checkpoint, face):
    picture = make(checkpoint).preprocess(run_of(face))[0][None]
    kinds = [("released", 500), ("released", 1), ("reference", 500)]
    scores = [make(checkpoint, preprocessing=p, crop_stride=s).load().score(picture)[0] for p, s in kinds]
    assert len({round(float(score), 6) for score in scores}) == 3
    assert make(checkpoint).sampling(None).sample_rate == 22_050
    assert make(checkpoint, preprocessing="reference").sampling(None).sample_rate == 16_000


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "rate", "whole"), [("released", 22_050, round), ("reference", 16_000, int)])
@pytest.mark.parametrize("count", [4, 10])
def test_windows_and_strips_are_those_of_frame_numbers_where_sound_and_picture_begin_together(
    checkpoint, tmp_path, kind, rate, whole, count
):
    """The authors' and the reference's way, where it holds: columns of the spectrogram by the share of the frames."""
    total, waveform = 37, speech_like(37 / 25, rate)
    frames = [np.full((64, 80, 3), 6 * i, np.uint8) for i in range(total)]
    path = write_video(tmp_path / "a.mkv", frames, audio=(waveform, rate), audio_codec="flac")
    detector = make(checkpoint, preprocessing=kind, num_windows=count)
    plan = replace(detector.sampling(None), faces=None, silent=None)
    with SharedMedia(Evidence.open(path, MediaLimits()), MediaLimits()) as shared:
        source = open_source(RunContext(shared, lambda: None), plan)
        samples = list(source.samples(range(len(source.starts))))
    picture = mel_picture(read_audio(path, rate, limits=MediaLimits()), rate)
    mapping = picture.shape[2] / total
    starts = np.linspace(0, total - 6, count, dtype=int).tolist()
    assert source.starts == starts
    for start, sample in zip(starts, samples, strict=True):
        strip = picture[..., int(whole(start * mapping)) : int(whole((start + 5) * mapping))]
        assert np.array_equal(sample.sound, strip)
        assert [round(frame.mean() / 6) for frame in sample.frames] == list(range(start, start + 5))


def test_a_clip_of_exactly_one_run_has_one(checkpoint):
    plan = make(checkpoint).sampling(None)
    assert [clip_starts(total, plan) for total in (4, 5, 6, 7)] == [[], [0], [0], [0, 1]]


@pytest.mark.slow
def test_faces_are_found_once_for_all_models_of_a_file(detector, monkeypatch):
    sought = []
    monkeypatch.setattr(faces, "_finder", faces._finder.__wrapped__)
    monkeypatch.setattr(
        BlazeFaceFinder, "find", lambda self, frame, find=BlazeFaceFinder.find: sought.append(1) or find(self, frame)
    )
    evidence = Evidence.open(ASSETS / "clip_with_sound.mp4", MediaLimits())
    with SharedMedia(evidence, MediaLimits()) as shared:
        first, second = (analyze(evidence, detector, shared=shared, explain=False) for _ in range(2))
    judged = [score for score in first.scores if score.gap != "no_speech"]
    assert len(sought) == len(judged) > 1
    assert first.scores == second.scores
    assert not any(score.faces for score in first.scores), "the run is judged, not a face"


@pytest.mark.slow
def test_batches_score_as_single_pictures_do(detector, face):
    (picture,) = detector.preprocess(run_of(face))
    mirrored = picture.flip(2)
    together = detector.score(torch.stack([picture, mirrored]))
    alone = [detector.score(one[None])[0] for one in (picture, mirrored)]
    assert np.abs(together - alone).max() < 1e-4
    assert alone[0] != alone[1]


@pytest.mark.slow
def test_end_to_end(detector):
    events = []
    result = detector.analyze(ASSETS / "clip_with_sound.mp4", events.append)
    assert {event.model_name for event in events} == {"LIP-FD-V1"}
    assert AnalysisResult.model_validate_json(result.model_dump_json()) == result
    judged = [score for score in result.scores if score.p_fake is not None]
    assert len(judged) >= 2
    assert all(score.end_s - score.time_s == pytest.approx(5 / result.media.fps, rel=0.2) for score in judged)
    assert all(0 < score.measures["face_share"] <= 1 for score in judged)
    assert result.metrics["windows_judged"] == len(judged)
    assert result.metrics["highest_window_p_fake"] == max(score.p_fake for score in judged)
    assert result.p_fake == pytest.approx(np.mean([score.p_fake for score in judged]))
    assert result.heatmaps[0].method == "gradcam"
    assert result.heatmaps[0].face_box is None


@pytest.mark.slow
def test_occlusion_where_it_is_asked_for(checkpoint, face):
    loaded = make(checkpoint, explain="occlusion").load()
    (heatmap,) = loaded.explain(run_of(face), SampleScore(index=0, time_s=0.0, frame_index=2, p_fake=0.6))
    assert heatmap.method == "occlusion"
    assert heatmap.array().max() <= 1


def test_a_small_face_is_remarked_upon(detector):
    def scores(share: float) -> list[SampleScore]:
        return [SampleScore(index=i, time_s=i, p_fake=0.5, measures={"face_share": share}) for i in range(3)]

    assert detector.aggregate(scores(0.5)).notes == ()
    assert "3% of the picture" in detector.aggregate(scores(0.03)).notes[0]
    assert detector.aggregate([SampleScore(index=0, gap="no_face")]).p_fake is None


def test_a_video_without_sound_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(WrongMediaKindError, match="no sound track"):
        make(tmp_path / "absent.pth").analyze(ASSETS / "clip_silent.mp4")


def test_silence_and_faceless_video_are_inconclusive(detector, face, tmp_path):
    small = np.ascontiguousarray(face[: face.shape[0] // 2 * 2 : 2, : face.shape[1] // 2 * 2 : 2])
    small = small[: small.shape[0] // 2 * 2, : small.shape[1] // 2 * 2]
    mute = write_video(tmp_path / "mute.mp4", [small] * 20, audio=(np.zeros(12_800, np.float32), 16_000))
    blank = [np.full((96, 128, 3), 90, np.uint8)] * 20
    faceless = write_video(tmp_path / "faceless.mp4", blank, audio=(speech_like(0.8), 16_000))
    neither = write_video(tmp_path / "neither.mp4", blank, audio=(np.zeros(12_800, np.float32), 16_000))
    for path, gap in ((mute, "no_speech"), (faceless, "no_face"), (neither, "no_speech")):
        result = detector.analyze(path)
        assert result.prediction is Prediction.INCONCLUSIVE
        assert result.gap == gap
        assert result.confidence is None


def test_a_clip_shorter_than_a_window_is_inconclusive(detector, face, tmp_path):
    small = np.ascontiguousarray(face[:128, :128])
    path = write_video(tmp_path / "short.mp4", [small] * 3, audio=(speech_like(0.2), 16_000))
    result = detector.analyze(path)
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.coverage == 0


@pytest.mark.large
def test_bfloat16_moves_no_logit_by_more_than_two_percent(tmp_path):
    """The stand-in weights are so sure that p_fake is 0 whatever changes: logits are compared."""
    path = golden.checkpoint("LIP-FD-V1", tmp_path)
    detector = golden.detector(LipFDetectorV1, "LIP-FD-V1", path, dtype="float32", isMultiModal=True, num_windows=2)
    pictures = []
    detector.judge = lambda batch, judge=detector.judge: pictures.append(batch) or judge(batch)
    assert detector.analyze(golden.clip("stage_360p.mp4"), explain=False).p_fake < 1e-6
    with torch.inference_mode():
        exact = torch.cat([detector.forward(batch) for batch in pictures]).tolist()
    keep_in_bfloat16(detector.network)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        half = torch.cat([detector.forward(batch).float() for batch in pictures]).tolist()
    assert half != exact
    assert half == pytest.approx(exact, rel=0.02)
