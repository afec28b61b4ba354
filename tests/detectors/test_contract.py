"""Every discovered detector, with small random weights, on a real picture, clip and recording."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from detector_kit import stand_in_weights
from media_factory import speech_like, write_audio

from drishtiksha.contract import AudioPlan, DetectorConfig, FramePlan
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import WeightsMismatchError, WeightsMissingError, WrongMediaKindError
from drishtiksha.registry import discover
from drishtiksha.results import AnalysisResult, Prediction
from drishtiksha.settings import ROOT

ASSETS = ROOT / "assets"
DETECTORS = discover()


@pytest.fixture(scope="module", params=DETECTORS.values(), ids=DETECTORS.keys())
def detector(request, tmp_path_factory) -> Detector:
    path = tmp_path_factory.mktemp("weights") / "random.pt"
    stand_in_weights(request.param, path)
    kinds = {"isImage": True, "isVideo": True, "isAudio": False}
    config = request.param.Config(
        class_name=request.param.__name__, description="", model_path=path, device="cpu", **kinds
    )
    return request.param(config.model_copy(update={"model_name": "UNDER-TEST"})).load()


def test_it_documents_itself(detector):
    cls = type(detector)
    assert cls.__doc__
    assert issubclass(cls.Config, DetectorConfig)
    lines = len(inspect.getsource(inspect.getmodule(cls)).splitlines())
    assert 30 <= lines <= 150, f"{cls.__name__} takes {lines} lines"


@pytest.mark.parametrize("name", ["portrait.jpg", "clip_silent.mp4"])
def test_it_answers_with_scores_that_repeat(detector, name):
    result = detector.analyze(ASSETS / name)
    assert result.model_name == "UNDER-TEST"
    assert result.coverage > 0.5
    assert result.heatmaps, "no heatmap"
    assert all(heatmap.array().max() <= 1 for heatmap in result.heatmaps)
    assert AnalysisResult.model_validate_json(result.model_dump_json()) == result
    again = detector.analyze(ASSETS / name, explain=False)
    assert [score.p_fake for score in again.scores] == [score.p_fake for score in result.scores]
    assert result.provenance.checkpoint_sha256
    assert str(ROOT) not in result.model_dump_json(), "a path of this machine is in the result"


def test_without_a_face_it_never_says_real(detector):
    result = detector.analyze(ASSETS / "no_face.mp4")
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.confidence is None
    assert result.gap == "no_face"
    assert result.coverage == 0


def test_the_wrong_kind_is_refused_before_decoding(detector, tmp_path):
    recording = write_audio(tmp_path / "a.wav", speech_like(2.0), 16_000)
    with pytest.raises(WrongMediaKindError, match="sound recording"):
        detector.analyze(recording)


def test_batching_does_not_change_scores(detector):
    plan = detector.sampling(None)
    assert isinstance(plan, FramePlan | AudioPlan)
    batch = torch.rand(5, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    together = detector.score(batch)
    alone = np.concatenate([detector.score(one[None]) for one in batch])
    assert np.abs(together - alone).max() < 1e-4


def test_it_does_not_change_after_load(detector):
    before = {key: id(value) for key, value in vars(detector).items()}
    detector.analyze(ASSETS / "portrait.jpg")
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
