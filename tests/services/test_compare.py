"""Several models on one file, and the command that prints it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import blank_packets, coded_frames, speech_like, write_video
from typer.testing import CliRunner

from drishtiksha.analysis import analyze
from drishtiksha.cli import Exit, app
from drishtiksha.comparison import Comparison
from drishtiksha.errors import AnalysisCancelledError, ModelRegistryError, UnreadableMediaError, WrongMediaKindError
from drishtiksha.events import CancelToken
from drishtiksha.media import video
from drishtiksha.media.evidence import Evidence
from drishtiksha.results import AnalysisResult
from drishtiksha.services.runs import examine
from drishtiksha.settings import ROOT, MediaLimits

CLIP, SILENT, PORTRAIT = (ROOT / "assets" / n for n in ("clip_with_sound.mp4", "clip_silent.mp4", "portrait.jpg"))
THREE = ("ALL", "FEW", "EARS")


def gain_weights(path: Path) -> Path:
    """A checkpoint of the loudness network."""
    torch.save({"gain": torch.ones(1)}, path)
    return path


@pytest.fixture
def manager(tmp_path, monkeypatch):
    weights = str(plain_weights(tmp_path / "w.pt"))
    models = {
        "ALL": entry(model_path=weights, num_frames=None, evidence="whole picture"),
        "FEW": entry(model_path=weights, num_frames=5, evidence="face texture"),
        "EARS": entry(
            "LoudnessDetector", model_path=str(gain_weights(tmp_path / "ears.pt")), evidence="sound spectrum"
        ),
        "ABSENT": entry(model_path=str(tmp_path / "absent.pt")),
    }
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, loudness=LOUDNESS):
        yield manager_of(models, tmp_path, monkeypatch)


@pytest.mark.slow
def test_the_scores_are_those_of_separate_runs_and_the_file_is_decoded_once(manager, monkeypatch):
    evidence = Evidence.open(CLIP, MediaLimits())
    alone = [analyze(evidence, manager.load_model(name)) for name in THREE]
    decoded = []
    real = video.read_index
    monkeypatch.setattr("drishtiksha.media.reader.iter_frames", _counting(decoded))
    monkeypatch.setattr("drishtiksha.media.reader.read_index", lambda *a, **k: decoded.append("index") or real(*a, **k))
    seen = []
    found = examine(evidence, THREE, manager, seen.append)
    assert decoded == ["index", "frames"]
    assert [result.scores for result in found.results] == [result.scores for result in alone]
    assert found.failures == {}
    assert {event.model_name for event in seen} == set(THREE)


def _counting(decoded):
    def counted(*arguments, **keywords):
        decoded.append("frames")
        return video.iter_frames(*arguments, **keywords)

    return counted


def test_what_cannot_run_is_told_and_stops_no_other(manager):
    evidence = Evidence.open(SILENT, MediaLimits())
    found = examine(evidence, ["EARS", "ABSENT", "FEW"], manager)
    assert [result.model_name for result in found.results] == ["FEW"]
    assert "no sound track" in str(found.failures["EARS"])
    assert "absent.pt" in str(found.failures["ABSENT"])


def test_a_damaged_sound_track_stops_no_model_that_looks(manager, tmp_path):
    evidence = Evidence.open(with_damaged_sound(tmp_path / "clip.mp4"), MediaLimits())
    found = examine(evidence, ["EARS", "FEW"], manager)
    assert [result.model_name for result in found.results] == ["FEW"]
    assert "no sound could be decoded" in str(found.failures["EARS"])
    with pytest.raises(UnreadableMediaError, match="no sound could be decoded"):
        examine(evidence, ["EARS"], manager).required()


def with_damaged_sound(path: Path) -> Path:
    """A clip whose picture is whole and whose packets of sound hold nothing that can be decoded."""
    write_video(path, coded_frames(25), audio=(speech_like(1.0), 16_000), audio_codec="flac")
    return blank_packets(path, audio=0)


def test_nothing_that_can_run_is_an_error(manager):
    evidence = Evidence.open(SILENT, MediaLimits())
    with pytest.raises(WrongMediaKindError, match="no sound track"):
        examine(evidence, ["EARS"], manager).required()
    with pytest.raises(ModelRegistryError, match="NOBODY"):
        examine(evidence, ["FEW", "NOBODY"], manager)


def test_it_stops_when_it_is_told_to(manager):
    cancel = CancelToken()
    with pytest.raises(AnalysisCancelledError):
        examine(Evidence.open(CLIP, MediaLimits()), THREE, manager, lambda event: cancel.cancel(), cancel)


def run(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_the_command_prints_json_that_the_models_read_back(manager):
    done = run(CLIP, "--models", ",".join(THREE), "--json")
    assert done.exit_code == Exit.DONE, done.output
    document = json.loads(done.stdout)
    assert set(document) == {"results", "errors", "comparison"}
    comparison = Comparison.model_validate(document["comparison"])
    results = [AnalysisResult.model_validate(one) for one in document["results"]]
    assert [row.p_fake for row in comparison.rows] == [result.p_fake for result in results]


def test_without_names_all_that_fit_are_compared(manager):
    done = run(PORTRAIT)
    assert done.exit_code == Exit.DONE, done.output
    assert "FEW" in done.output
    assert "ABSENT" not in done.output
    assert "EARS" not in done.output


def test_two_files_under_one_model(manager):
    done = run(CLIP, "--against", SILENT, "--models", "FEW", "--json")
    assert done.exit_code == Exit.DONE, done.output
    document = json.loads(done.stdout)
    assert [one["results"][0]["media"]["name"] for one in document["files"]] == [CLIP.name, SILENT.name]
    assert document["contrasts"]["FEW"].startswith("FEW on clip_with_sound.mp4: ")


def test_the_plan_runs_nothing(manager):
    done = run(SILENT, "--models", "FEW,EARS", "--plan", "--json")
    (plan,) = json.loads(done.stdout)
    assert [(m["model_name"], m["obstacle"] is None) for m in plan["models"]] == [("FEW", True), ("EARS", False)]
    assert "EARS needs one" in run(SILENT, "--models", "FEW,EARS", "--plan").output


@pytest.mark.parametrize(("arguments", "code"), [(["--models", "NOBODY"], Exit.USAGE), (["--models", ","], Exit.USAGE)])
def test_wrong_names_have_their_exit_code(manager, arguments, code):
    assert run(CLIP, *arguments).exit_code == code
