"""Every discovered detector, with small random weights, on real pictures and clips or recordings, as it takes them."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from detector_kit import SMALL, configured
from media_factory import speech_like, tone, write_audio, write_video
from PIL import Image
from stand_ins import FOLDERS, IN_PARTS, stand_in

from drishtiksha.analysis.faces import find_faces
from drishtiksha.contract import AudioPlan, ClipPlan, Companion, DetectorConfig, Sample, SequencePlan
from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.discovery import discover
from drishtiksha.errors import WeightsMismatchError, WeightsMissingError, WrongMediaKindError, without_server_paths
from drishtiksha.media.audio import read_audio
from drishtiksha.results import AnalysisResult, GapReason, Prediction
from drishtiksha.settings import ROOT, MediaLimits, load_settings

pytestmark = pytest.mark.slow

ASSETS = ROOT / "assets"
WHOLE_PICTURE = (
    "SiglipLSTMV1",
    "SiglipLSTMV3",
    "SiglipLSTMV4",
    "CommunityForensicsDetector",
    "BFreeDetector",
    "DistilDIREDetectorV1",
    "HFImageClassifier",
    "MFFMoEDetectorV1",
    "NPRDetector",
    "TruForDetector",
    "UniversalFakeDetector",
    "WaveRepDetector",
)
"""They judge the frame as it is, with or without a face."""
MEASURES_ONLY = ("D3VideoDetector", "SyncNetDetector")
"""They give a number and no score as long as nobody has calibrated them."""
DETECTORS = discover()


@pytest.fixture(scope="module", params=DETECTORS.values(), ids=DETECTORS.keys())
def detector(request, tmp_path_factory) -> Detector:
    cls = request.param
    folder = tmp_path_factory.mktemp("weights")
    config = cls.Config(
        class_name=cls.__name__, device="cpu", description="", **configured(cls), **stand_in(cls, folder)
    )
    yield cls(config.model_copy(update={"model_name": "UNDER-TEST"})).load()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> Path:
    """A recording of the sentence in the clip with sound."""
    waveform = read_audio(ASSETS / "clip_with_sound.mp4", 16_000, limits=MediaLimits())
    return write_audio(tmp_path_factory.mktemp("sound") / "spoken.flac", waveform, 16_000)


def subjects(detector: Detector, spoken: Path) -> list[Path]:
    """What the detector can judge: one file of each kind that it takes."""
    takes = configured(type(detector))
    found = [
        (takes["isImage"], ASSETS / "portrait.jpg"),
        (takes["isVideo"], ASSETS / "clip_silent.mp4"),
        (takes["isAudio"], spoken),
        (takes["isAudio"] or takes["isMultiModal"], ASSETS / "clip_with_sound.mp4"),
    ]
    return [path for taken, path in found if taken]


class Examined(NamedTuple):
    """What the first examinations by a detector gave."""

    attributes: dict[str, Any]
    """The detector's own, as they were before."""
    results: dict[Path, AnalysisResult]
    """By subject, with explanations."""


@pytest.fixture(scope="module")
def examined(detector: Detector, spoken: Path) -> Examined:
    """Shared by the tests of one detector, since it is most of their cost."""
    attributes = dict(vars(detector))
    return Examined(attributes, {subject: detector.analyze(subject) for subject in subjects(detector, spoken)})


def test_every_class_of_the_configuration_is_tried():
    assert {entry["class_name"] for entry in load_settings().models.values()} == set(DETECTORS)


def test_it_documents_itself(detector):
    cls = type(detector)
    assert cls.__doc__
    assert issubclass(cls.Config, DetectorConfig)
    lines = len(inspect.getsource(inspect.getmodule(cls)).splitlines())
    assert 20 <= lines <= 150, f"{cls.__name__} takes {lines} lines"


def test_it_answers_with_scores_that_repeat(detector, examined):
    for subject, result in examined.results.items():
        assert result.model_name == "UNDER-TEST"
        if type(detector).__name__ in MEASURES_ONLY:
            assert result.gap is GapReason.NOT_CALIBRATED
            assert result.p_fake is None
        else:
            assert result.coverage > 0.2, f"{subject.name}: {result.reasons}"
        assert all(heatmap.array().max() <= 1 for heatmap in result.heatmaps)
        assert AnalysisResult.model_validate_json(result.model_dump_json()) == result
        again = detector.analyze(subject, explain=False)
        assert [score.p_fake for score in again.scores] == [score.p_fake for score in result.scores]
        assert result.provenance.checkpoint_sha256
        assert not paths_of_this_machine(result), "a path of this machine is in the result"


def test_its_companions_and_own_paths_are_named_without_their_folders():
    """Of every detector, those whose weights are several files too: what a result says of its configuration."""
    shelf = Path("/srv/my shelf/models")
    for cls in DETECTORS.values():
        labels = {"fake_labels": ("fake",)} if "fake_labels" in cls.Config.model_fields else {}
        config = cls.Config(
            class_name=cls.__name__,
            description="",
            model_path=shelf / "a.pt",
            companions={"more": Companion(path=shelf / "b.pt")},
            **labels,
        )
        told = json.dumps(config.without_folders())
        assert "/srv" not in told, cls.__name__
        assert '"b.pt"' in told


def paths_of_this_machine(result: AnalysisResult) -> list[str]:
    """Every text in the result's JSON that names an absolute path."""

    def texts(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for one in value.values():
                yield from texts(one)
        elif isinstance(value, list):
            for one in value:
                yield from texts(one)
        elif isinstance(value, str):
            yield value

    fields = result.model_dump(mode="json", exclude={"heatmaps": {"__all__": {"data"}}})
    return [text for text in texts(fields) if without_server_paths(text) != text or Path(text).is_absolute()]


def test_without_a_subject_it_never_says_real(detector, tmp_path):
    takes = configured(type(detector))
    nothing = []
    if takes["isImage"] or takes["isVideo"]:
        nothing.append(ASSETS / "no_face.mp4" if takes["isVideo"] else grey_picture(tmp_path))
    if takes["isAudio"]:
        nothing.append(write_audio(tmp_path / "silence.wav", np.zeros(16_000 * 6, np.float32), 16_000))
    if takes["isMultiModal"]:
        frames = (np.full((96, 128, 3), 90, np.uint8) for _ in range(50))
        nothing.append(write_video(tmp_path / "grey.mp4", frames, 25, audio=(tone(2.0), 16_000)))
    needs_face = type(detector).__name__ not in WHOLE_PICTURE
    for path in nothing:
        result = detector.analyze(path)
        if path.suffix == ".wav" or needs_face:
            assert result.prediction is Prediction.INCONCLUSIVE
            assert result.confidence is None
            assert result.gap is not None
            assert result.coverage == 0


def grey_picture(folder: Path) -> Path:
    Image.new("RGB", (320, 320), (120, 120, 120)).save(folder / "grey.png")
    return folder / "grey.png"


def test_the_wrong_kind_is_refused_before_decoding(detector, tmp_path):
    takes = configured(type(detector))
    recording = write_audio(tmp_path / "a.wav", speech_like(2.0), 16_000)
    wrong = [
        (takes["isImage"], ASSETS / "portrait.jpg", "is a picture"),
        (takes["isAudio"], recording, "is a sound recording"),
        (takes["isVideo"], ASSETS / "clip_silent.mp4", "has no sound track|is a video"),
    ]
    for taken, path, why in wrong:
        if not taken:
            with pytest.raises(WrongMediaKindError, match=why):
                detector.analyze(path)


def test_batching_does_not_change_scores(detector, spoken, limits):
    plan = detector.sampling(None)
    if isinstance(plan, ClipPlan):
        pytest.skip("a run of frames is no batch of random numbers")
    if isinstance(plan, AudioPlan):
        length = round(plan.window_s * plan.sample_rate)
        waveform = read_audio(spoken, plan.sample_rate, limits=limits)[:length]
        waveform = np.pad(waveform, (0, length - len(waveform)))
        sample = Sample(0, 0.0, waveform=waveform, sample_rate=plan.sample_rate)
    else:
        frame = np.array(Image.open(ASSETS / "portrait.jpg").convert("RGB").resize((640, 800)))
        faces = find_faces(frame, plan.faces)[0] if plan.faces else ()
        sample = Sample(0, 0.0, frame_index=0, frame=frame, faces=faces)
    tensor = detector.preprocess(sample)[0].float()
    low, high = float(tensor.min()), float(tensor.max())
    noise = torch.rand(4, *tensor.shape, generator=torch.Generator().manual_seed(1)) * (high - low) + low
    batch = torch.cat([tensor[None], noise])
    work = detector.encode if isinstance(plan, SequencePlan) else detector.score
    together = np.asarray(work(batch))
    alone = np.concatenate([np.asarray(work(one[None])) for one in batch])
    assert np.abs(together - alone).max() < 1e-3 * max(1.0, np.abs(alone).max())


def test_it_does_not_change_after_load(detector, examined):
    assert vars(detector).keys() == examined.attributes.keys()
    for name, value in examined.attributes.items():
        assert getattr(detector, name) is value, name


ONE_FILE = {name: cls for name, cls in DETECTORS.items() if name not in (*IN_PARTS, *FOLDERS)}
"""Of the others, tests of their own lose a file."""


@pytest.mark.parametrize("cls", ONE_FILE.values(), ids=ONE_FILE.keys())
def test_absent_and_foreign_weights_are_refused(cls, tmp_path):
    def build(path: Path) -> Detector:
        fields = SMALL.get(cls.__name__, {})
        return cls(cls.Config(class_name=cls.__name__, description="", model_path=path, device="cpu", **fields))

    with pytest.raises(WeightsMissingError):
        build(tmp_path / "absent.pt").load()
    torch.save({"stranger": torch.zeros(2)}, tmp_path / "foreign.pt")
    with pytest.raises(WeightsMismatchError, match="stranger"):
        build(tmp_path / "foreign.pt").load()
