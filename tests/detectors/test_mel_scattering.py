"""SCATTERING-WAVE-V1, MEL-SPECTROGRAM-CNN-V2 and -V3: the published layout, the reference's scores, and its faults."""

from __future__ import annotations

from pathlib import Path

import golden
import numpy as np
import pytest
import torch
from media_factory import write_audio

from drishtiksha.contract import DetectorConfig, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.mel_spectrogram_v2 import MelSpectrogramCNNV2
from drishtiksha.detectors.mel_spectrogram_v3 import MelSpectrogramCNNV3
from drishtiksha.detectors.scattering_wave import ScatteringWaveV1
from drishtiksha.errors import WeightsMismatchError
from drishtiksha.networks.scattering import ScatteringClassifier
from drishtiksha.results import Prediction

CLASSES: dict[str, type[Detector]] = {
    "SCATTERING-WAVE-V1": ScatteringWaveV1,
    "MEL-SPECTROGRAM-CNN-V2": MelSpectrogramCNNV2,
    "MEL-SPECTROGRAM-CNN-V3": MelSpectrogramCNNV3,
}
RATE, HIDDEN = 16_000, (4, 3, 2)


@pytest.fixture(params=CLASSES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """The stand-in weights, which the three share: they have the same keys."""
    return golden.checkpoint("MEL-SPECTROGRAM-CNN-V2", tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """The same layout with narrow layers and random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("small") / "small.pth"
    torch.save({"model_state_dict": ScatteringClassifier(HIDDEN).state_dict() | kymatios_filters()}, path)
    return path


def kymatios_filters() -> dict[str, torch.Tensor]:
    return {f"scattering.tensor{i}": torch.zeros(2, 2, 1) for i in range(76)}


def of(name: str, path: Path, **fields) -> Detector:
    return golden.detector(CLASSES[name], name, path, hidden=HIDDEN, **{"isAudio": True, **fields})


def recording(path: Path, seconds: float, silent: tuple[float, float] = (0, 0)) -> Path:
    waveform = np.random.default_rng(2).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    waveform[round(silent[0] * RATE) : round(silent[1] * RATE)] = 0
    return write_audio(path, waveform, RATE)


@pytest.mark.slow
def test_no_key_is_lost_and_none_invented(name):
    wanted = {key: tuple(shape) for key, (shape, _) in golden.load(name)["state_dict"].items()}
    detector = CLASSES[name](config_of(name))
    with torch.device("meta"):
        own = {key: tuple(tensor.shape) for key, tensor in detector.build().state_dict().items()}
        kept = detector.remap({key: torch.empty(shape) for key, shape in wanted.items()})
    assert {key: tuple(tensor.shape) for key, tensor in kept.items()} == own
    assert {key for key in wanted if key not in own} == set(kymatios_filters())


def config_of(name: str) -> DetectorConfig:
    cls = CLASSES[name]
    return cls.Config(class_name=cls.__name__, description="", model_path=Path("none.pth"))


@pytest.mark.slow
def test_the_references_p_fake_on_the_shared_clip(name, published):
    wanted = golden.end_to_end(name)
    detector = golden.detector(CLASSES[name], name, published, isAudio=True)
    events = []
    result = detector.analyze(golden.clip("stage_360p.mp4"), events.append)
    assert result.p_fake == pytest.approx(wanted["p_fake"], abs=0.002)
    assert {event.model_name for event in events} == {name}
    assert result.metrics["windows_judged"] == len(result.scores)
    assert 0 < len(result.heatmaps) <= 4
    heatmap = result.heatmaps[0]
    assert heatmap.method == "time-frequency"
    assert heatmap.top_hz == RATE / 2
    assert heatmap.array().max() > 0.9


@pytest.mark.slow
def test_resampled_as_by_the_reference_the_shared_clip_scores_the_same(name, published):
    detector = golden.detector(CLASSES[name], name, published, isAudio=True, resampling="reference")
    result = detector.analyze(golden.clip("stage_360p.mp4"), explain=False)
    assert result.p_fake == pytest.approx(golden.end_to_end(name)["p_fake"], abs=5e-5)


@pytest.mark.slow
def test_windows(name, small, tmp_path):
    result = of(name, small).analyze(recording(tmp_path / "a.wav", 3.7), explain=False)
    starts = [score.time_s for score in result.scores]
    assert (
        starts
        == {
            "SCATTERING-WAVE-V1": [0.0],
            "MEL-SPECTROGRAM-CNN-V2": [0.0, 1.0, 2.0],
            "MEL-SPECTROGRAM-CNN-V3": [0.0, 0.5, 1.0, 1.5, 2.0, 2.5],
        }[name]
    )
    assert all(score.p_fake is not None for score in result.scores)
    assert result.p_fake == pytest.approx(np.mean([score.p_fake for score in result.scores]))
    assert bool(result.notes) == (name == "SCATTERING-WAVE-V1")


@pytest.mark.slow
def test_silence_is_a_gap_and_never_a_verdict(name, small, tmp_path):
    silent = of(name, small).analyze(recording(tmp_path / "a.wav", 3.0, silent=(0, 3)))
    assert silent.prediction is Prediction.INCONCLUSIVE
    assert silent.gap == "no_speech"
    assert silent.coverage == 0
    if name == "MEL-SPECTROGRAM-CNN-V2":
        partly = of(name, small).analyze(recording(tmp_path / "b.wav", 3.0, silent=(1, 2)), explain=False)
        assert [score.gap for score in partly.scores] == [None, "no_speech", None]


@pytest.mark.slow
def test_too_short(name, small, tmp_path):
    result = of(name, small).analyze(recording(tmp_path / "a.wav", 0.4))
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.gap == "too_short"


def test_scattering_pads_a_short_recording_and_explains_what_was_heard(small, tmp_path):
    result = of("SCATTERING-WAVE-V1", small).analyze(recording(tmp_path / "a.wav", 1.25))
    (score,) = result.scores
    assert score.end_s == 1.25
    assert result.heatmaps[0].end_s == 1.25
    assert result.heatmaps[0].array().shape[1] == 160


@pytest.mark.slow
def test_the_polarity_is_turned_round(name, small):
    detector = of(name, small)
    batch = torch.rand(2, 1, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        p_real = detector.network(batch).sigmoid().numpy()
    assert detector.score(batch) == pytest.approx(1 - p_real, abs=1e-5)


def test_inputs_are_the_references():
    kept = golden.arrays("audio_preprocessing")
    for name, key, seconds in (
        ("SCATTERING-WAVE-V1", "scattering_u8", 2),
        ("MEL-SPECTROGRAM-CNN-V3", "mel_chunks_u8", 1),
    ):
        detector = CLASSES[name](config_of(name))
        sample = Sample(0, waveform=kept["waveform"][: seconds * RATE], sample_rate=RATE)
        (tensor,) = detector.preprocess(sample)
        wanted = kept[key].reshape(-1, 256, 256)[0] / 255
        assert np.abs(tensor[0].numpy() - wanted).mean() < 1e-3


@pytest.mark.slow
def test_occlusion_on_request(small, tmp_path):
    detector = of("MEL-SPECTROGRAM-CNN-V2", small, explain="occlusion")
    result = detector.analyze(recording(tmp_path / "a.wav", 1.0))
    assert result.heatmaps[0].method == "occlusion"


@pytest.mark.slow
def test_foreign_keys_are_refused(small, tmp_path):
    state = ScatteringClassifier(HIDDEN).state_dict() | {"scattering.psi": torch.zeros(1)}
    torch.save(state, tmp_path / "foreign.pth")
    with pytest.raises(WeightsMismatchError, match=r"scattering\.psi"):
        of("MEL-SPECTROGRAM-CNN-V2", tmp_path / "foreign.pth")
