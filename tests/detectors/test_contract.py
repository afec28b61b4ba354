"""Every discovered detector, with small random weights, on real pictures and clips or recordings, as it takes them."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from detector_kit import hears, stand_in_weights
from media_factory import speech_like, tone, write_audio

from drishtiksha.contract import DetectorConfig, Face, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import WeightsMismatchError, WeightsMissingError, WrongMediaKindError
from drishtiksha.media.audio import read_audio
from drishtiksha.registry import discover
from drishtiksha.results import AnalysisResult, Prediction
from drishtiksha.settings import ROOT, MediaLimits

ASSETS = ROOT / "assets"
DETECTORS = discover()


@pytest.fixture(scope="module", params=DETECTORS.values(), ids=DETECTORS.keys())
def detector(request, tmp_path_factory) -> Detector:
    path = tmp_path_factory.mktemp("weights") / "random.pt"
    stand_in_weights(request.param, path)
    sound = hears(request.param)
    kinds = {"isImage": not sound, "isVideo": not sound, "isAudio": sound}
    config = request.param.Config(
        class_name=request.param.__name__, description="", model_path=path, device="cpu", **kinds
    )
    return request.param(config.model_copy(update={"model_name": "UNDER-TEST"})).load()


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> Path:
    """A recording of the sentence in the clip with sound."""
    waveform = read_audio(ASSETS / "clip_with_sound.mp4", 16_000, limits=MediaLimits())
    return write_audio(tmp_path_factory.mktemp("sound") / "spoken.flac", waveform, 16_000)


@pytest.fixture(params=["alone", "moving"])
def subject(request, detector, spoken) -> Path:
    """What the detector can judge: a picture and a video, or a recording and a video with sound."""
    if hears(type(detector)):
        return {"alone": spoken, "moving": ASSETS / "clip_with_sound.mp4"}[request.param]
    return {"alone": ASSETS / "portrait.jpg", "moving": ASSETS / "clip_silent.mp4"}[request.param]


def test_it_documents_itself(detector):
    cls = type(detector)
    assert cls.__doc__
    assert issubclass(cls.Config, DetectorConfig)
    lines = len(inspect.getsource(inspect.getmodule(cls)).splitlines())
    assert 30 <= lines <= 150, f"{cls.__name__} takes {lines} lines"


def test_it_answers_with_scores_that_repeat(detector, subject):
    result = detector.analyze(subject)
    assert result.model_name == "UNDER-TEST"
    assert result.coverage > 0.5
    assert result.heatmaps, "no heatmap"
    assert all(heatmap.array().max() <= 1 for heatmap in result.heatmaps)
    assert AnalysisResult.model_validate_json(result.model_dump_json()) == result
    again = detector.analyze(subject, explain=False)
    assert [score.p_fake for score in again.scores] == [score.p_fake for score in result.scores]
    assert result.provenance.checkpoint_sha256
    assert str(ROOT) not in result.model_dump_json(), "a path of this machine is in the result"


def test_without_a_subject_it_never_says_real(detector, tmp_path):
    if hears(type(detector)):
        path, gap = write_audio(tmp_path / "tone.wav", tone(6.0), 16_000), "no_speech"
    else:
        path, gap = ASSETS / "no_face.mp4", "no_face"
    result = detector.analyze(path)
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.confidence is None
    assert result.gap == gap
    assert result.coverage == 0


def test_the_wrong_kind_is_refused_before_decoding(detector, tmp_path):
    if hears(type(detector)):
        for name, why in {"portrait.jpg": "is a picture", "clip_silent.mp4": "has no sound track"}.items():
            with pytest.raises(WrongMediaKindError, match=why):
                detector.analyze(ASSETS / name)
    else:
        recording = write_audio(tmp_path / "a.wav", speech_like(2.0), 16_000)
        with pytest.raises(WrongMediaKindError, match="sound recording"):
            detector.analyze(recording)


def test_batching_does_not_change_scores(detector, spoken, limits):
    if hears(type(detector)):
        rate = detector.sampling(None).sample_rate
        sample = Sample(0, waveform=read_audio(spoken, rate, limits=limits), sample_rate=rate)
    else:
        frame = np.full((480, 640, 3), 128, np.uint8)
        sample = Sample(0, frame=frame, faces=(Face((200.0, 100.0, 400.0, 300.0), 1.0),))
    (tensor,) = detector.preprocess(sample)
    batch = torch.rand(5, *tensor.shape, generator=torch.Generator().manual_seed(1))
    together = detector.score(batch)
    alone = np.concatenate([detector.score(one[None]) for one in batch])
    assert np.abs(together - alone).max() < 1e-4


def test_it_does_not_change_after_load(detector, subject):
    before = {key: id(value) for key, value in vars(detector).items()}
    detector.analyze(subject)
    assert {key: id(value) for key, value in vars(detector).items()} == before


@pytest.mark.parametrize("cls", DETECTORS.values(), ids=DETECTORS.keys())
def test_absent_and_foreign_weights_are_refused(cls, tmp_path):
    def build(path: Path) -> Detector:
        return cls(cls.Config(class_name=cls.__name__, description="", model_path=path, device="cpu"))

    with pytest.raises(WeightsMissingError):
        build(tmp_path / "absent.pt").load()
    torch.save({"stranger": torch.zeros(2)}, tmp_path / "foreign.pt")
    with pytest.raises(WeightsMismatchError, match="stranger"):
        build(tmp_path / "foreign.pt").load()
