"""One run for every surface: what one model raises is told of that model and that file, and the others finish."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights
from typer.testing import CliRunner

from drishtiksha.casefile import LOCAL, JobState
from drishtiksha.cli import Exit, app
from drishtiksha.errors import AnalysisCancelledError, MediaError, ModelFailedError
from drishtiksha.events import CancelToken, ProgressEvent
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.services.runs import Answers, examine, run_models
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT, MediaLimits

PORTRAIT, ALTERED = ROOT / "assets" / "portrait.jpg", ROOT / "assets" / "portrait_altered.jpg"

TROUBLE = (
    BRIGHTNESS.replace(
        "class BrightnessConfig(DetectorConfig):", "class TroubleConfig(DetectorConfig):\n    trouble: str"
    )
    .replace("class BrightnessDetector", "class TroubleDetector")
    .replace("Config = BrightnessConfig", "Config = TroubleConfig")
    .replace(
        "    def build(self):",
        "    def forward(self, batch):\n"
        "        if self.config.trouble == 'foreign':\n"
        "            raise KeyError('at /srv/private/layer')\n"
        "        if self.config.trouble == 'memory':\n"
        "            raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')\n"
        "        if self.config.trouble == 'ram':\n"
        "            raise MemoryError\n"
        "        logits = self.network(batch)\n"
        "        return logits * float(self.config.trouble) if self.config.trouble in ('nan', 'inf') else logits[:-1]\n\n"
        "    def build(self):",
    )
    .replace(
        "    def sampling(self, media):\n",
        "    def sampling(self, media):\n"
        "        if self.config.trouble == 'plan':\n"
        "            raise ZeroDivisionError('frames')\n",
    )
    .replace("* max(len(sample.faces), 1)", "* (0 if self.config.trouble == 'empty' else 1)")
)
"""As the brightness detector, but for what its field `trouble` says."""

SAID = {
    "foreign": "stopped at an error of this program",
    "plan": "stopped at an error of this program",
    "nan": "computed no number",
    "inf": "computed no number",
    "memory": "memory of this computer was not enough",
    "ram": "memory of this computer was not enough",
    "faces": "wanted 2, one for each face",
    "empty": "made 0 tensors",
    "short": "gave 0 logits for a batch of 1",
}
THREE = ("foreign", "nan", "memory")


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelManager]:
    weights = plain_weights(tmp_path / "w.pt")
    models: dict[str, Any] = {
        trouble.upper(): entry("TroubleDetector", weights, trouble=trouble, faces=trouble == "faces")
        for trouble in SAID
    }
    models |= {name: entry(model_path=weights, num_frames=4) for name in ("GOOD", "ALSO")}
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, trouble=TROUBLE):
        yield manager_of(models, tmp_path, monkeypatch)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments)])


def told(done: Any) -> str:
    return " ".join(done.output.split())


# --- every surface ---------------------------------------------------------------------------------------------------

Found = tuple[list[str], dict[str, str]]
"""The models with a result, and why the others have none."""


def by_job(names: list[str], manager: ModelManager, folder: Path) -> Found:
    """As the page does it."""
    bench = Workbench(manager.settings, manager)
    bench.start()
    try:
        job_id = bench.seen_by(LOCAL).open(bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg").case_id).submit(names)
        *_, last = bench.seen_by(LOCAL).watch(job_id, tick_s=0.02)
        assert last.state is JobState.DONE
        return [result.model_name for result in last.results], last.errors
    finally:
        bench.stop()
        bench.store.close()


def by_rest(names: list[str], manager: ModelManager, folder: Path) -> Found:
    from server_kit import served, until_ended

    from drishtiksha.server import create_app

    with served(create_app(manager.settings, manager)) as client:
        sent = {"file": ("p.jpg", PORTRAIT.read_bytes(), "image/jpeg")}
        asked = client.post("/api/analyze", files=sent, data={"model": names})
        view = until_ended(client, asked.raise_for_status().json()["job_id"])
    assert view["state"] == "done"
    return [result["model_name"] for result in view["results"]], view["errors"]


def by_compare(names: list[str], manager: ModelManager, folder: Path) -> Found:
    done = CliRunner().invoke(app, ["compare", str(PORTRAIT), "--models", ",".join(names), "--json"])
    assert done.exit_code == Exit.FAILED, done.output
    document = json.loads(done.stdout)
    for name in document["errors"]:
        assert f"portrait.jpg: {name} has no result" in " ".join(done.stderr.split())
    return [result["model_name"] for result in document["results"]], document["errors"]


def by_report(names: list[str], manager: ModelManager, folder: Path) -> Found:
    done = run("report", PORTRAIT, "--models", ",".join(names), "--out", folder / "r.json")
    assert done.exit_code == Exit.FAILED, done.output
    results = json.loads((folder / "r.json").read_text())["results"]
    lines = told(done).split("portrait.jpg: ")[1:]
    return [result["model_name"] for result in results], {line.split()[0]: line for line in lines}


def by_evaluate(names: list[str], manager: ModelManager, folder: Path) -> Found:
    (folder / "list.csv").write_text(f"file,label\n{PORTRAIT},real\n")
    done = run("evaluate", folder / "list.csv", "-m", ",".join(names), "--out", folder / "out", "--json")
    assert done.exit_code == Exit.FAILED, done.output
    with (folder / "out" / "scores.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows if row["reason"] == "model_failed"} == set(names) - {"GOOD", "ALSO"}
    lines = " ".join(done.stderr.split()).split("portrait.jpg: ")[1:]
    return [row["model"] for row in rows if row["p_fake"]], {line.split()[0]: line for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("surface", [by_job, by_rest, by_compare, by_report, by_evaluate], ids=lambda s: s.__name__[3:])
def test_the_others_finish_and_each_failure_is_named(
    surface: Callable[[list[str], ModelManager, Path], Found], manager: ModelManager, tmp_path: Path
) -> None:
    names = ["FOREIGN", "GOOD", "NAN", "MEMORY", "ALSO"]
    answered, failures = surface(names, manager, tmp_path)
    assert answered == ["GOOD", "ALSO"]
    assert set(failures) == {"FOREIGN", "NAN", "MEMORY"}
    for trouble in THREE:
        why = failures[trouble.upper()]
        assert trouble.upper() in why
        assert SAID[trouble] in why
        assert "Traceback" not in why
        assert "/srv/private" not in why
    assert "reference" in failures["FOREIGN"]


@pytest.mark.slow
@pytest.mark.parametrize("trouble", THREE)
def test_predict_tells_it_of_each_file(manager: ModelManager, tmp_path: Path, trouble: str) -> None:
    target = tmp_path / "r.json"
    done = run("predict", PORTRAIT, ALTERED, "--model", trouble.upper(), "--json", target)
    assert done.exit_code == Exit.FAILED, done.output
    first, second = json.loads(target.read_text())
    assert (first["file"], second["file"]) == ("portrait.jpg", "portrait_altered.jpg")
    for one in (first, second):
        assert SAID[trouble] in one["error"]
        assert f"{one['file']}: {trouble.upper()}" in told(done)
    assert "Traceback" not in done.output


def test_an_error_at_the_second_file_leaves_the_results_of_the_others(
    manager: ModelManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Evidence.open.__func__  # type: ignore[attr-defined]

    def opened(cls: type[Evidence], path: Path, *rest: Any) -> Evidence:
        if path == ALTERED:
            raise ZeroDivisionError("in the prober")
        return real(cls, path, *rest)

    monkeypatch.setattr(Evidence, "open", classmethod(opened))
    target = tmp_path / "r.json"
    done = run("predict", PORTRAIT, ALTERED, PORTRAIT, "--json", target, "--model", "GOOD")
    assert done.exit_code == Exit.FAILED, done.output
    first, second, third = json.loads(target.read_text())
    assert first["p_fake"] == third["p_fake"] is not None
    assert "The examination of portrait_altered.jpg stopped at an error" in second["error"]


def test_what_stops_all_files_keeps_those_that_were_done(
    manager: ModelManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(evidence: Evidence, *rest: Any) -> list[Path]:
        if evidence.media.name == ALTERED.name:
            raise OSError(28, "No space left on device")
        return []

    monkeypatch.setattr("drishtiksha.render.moments.write_moments", full)
    arguments = ("--json", tmp_path / "r.json", "--explain", tmp_path / "why", "--model", "GOOD")
    done = run("predict", PORTRAIT, ALTERED, *arguments)
    assert done.exit_code == Exit.FAILED
    assert "No space left" in told(done)
    (first,) = json.loads((tmp_path / "r.json").read_text())
    assert first["media"]["name"] == "portrait.jpg"


def test_a_second_file_without_any_result_loses_nothing_of_the_first(manager: ModelManager, tmp_path: Path) -> None:
    from media_factory import speech_like, write_audio

    sound = write_audio(tmp_path / "a.wav", speech_like(1.0), 16_000)
    done = run("compare", PORTRAIT, "--against", sound, "--models", "GOOD", "--json")
    assert done.exit_code == Exit.FAILED, done.output
    first, second = json.loads(done.stdout)["files"]
    assert [result["model_name"] for result in first["results"]] == ["GOOD"]
    assert (second["results"], set(second["errors"])) == ([], {"GOOD"})
    assert "a.wav: GOOD has no result" in told(done)
    assert run("compare", PORTRAIT, "--against", sound, "--models", "GOOD").exit_code == Exit.FAILED


def test_a_failed_file_of_an_evaluation_is_tried_again(manager: ModelManager, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"file,label\n{PORTRAIT},real\n")
    command = ("evaluate", tmp_path / "list.csv", "-m", "MEMORY", "--out", tmp_path / "out")
    for _ in range(2):
        done = run(*command)
        assert done.exit_code == Exit.FAILED
        assert "portrait.jpg: MEMORY stopped, since the memory" in told(done)


def test_a_model_that_fails_when_a_report_is_repeated_stops_no_other(manager: ModelManager, tmp_path: Path) -> None:
    bundle = tmp_path / "case.zip"
    assert run("report", PORTRAIT, "--models", "GOOD,ALSO", "--out", bundle).exit_code == Exit.DONE
    entries = manager.settings.models
    broken = {"models": entries | {"GOOD": entries["FOREIGN"]}, "data_dir": str(tmp_path / "data"), "device": "cpu"}
    (tmp_path / "config.yaml").write_text(json.dumps(broken))
    done = run("verify", bundle, "--evidence", PORTRAIT, "--rerun")
    assert done.exit_code == 2, done.output
    assert "GOOD could not be run again: GOOD stopped at an error of this program" in told(done)
    assert "ALSO was run again: every score is exactly the same" in told(done)


# --- the run itself --------------------------------------------------------------------------------------------------


@pytest.fixture
def evidence() -> Evidence:
    return Evidence.open(PORTRAIT, MediaLimits())


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [name for name in SAID if name != "faces"])
@pytest.mark.parametrize("kind", ["analyze", "stress"])
def test_whatever_a_model_does_is_its_own_failure(
    manager: ModelManager, evidence: Evidence, trouble: str, kind: Any
) -> None:
    found = examine(evidence, [trouble.upper(), "GOOD"], manager, kind=kind)
    assert list(found.answers) == ["GOOD"]
    assert isinstance(found.failures[trouble.upper()], ModelFailedError)
    assert SAID[trouble] in str(found.failures[trouble.upper()])


def test_the_score_beside_failing_models_is_that_of_a_run_alone(manager: ModelManager) -> None:
    clip = Evidence.open(ROOT / "assets" / "clip_silent.mp4", MediaLimits())
    (alone,) = examine(clip, ["GOOD"], manager).results
    (beside,) = examine(clip, ["FOREIGN", "NAN", "GOOD", "MEMORY"], manager).results
    assert beside.scores == alone.scores


def test_one_tensor_for_two_faces_tells_the_author(manager: ModelManager, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    with Image.open(PORTRAIT) as picture:
        face = np.asarray(picture.convert("RGB"))
    Image.fromarray(np.concatenate([face, face], axis=1)).save(tmp_path / "two.png")
    two = Evidence.open(tmp_path / "two.png", MediaLimits())
    with pytest.raises(
        ModelFailedError, match=r"FACES made 1 tensors of a sample, wanted 2, one for each face.*author"
    ):
        examine(two, ["FACES"], manager).required()


def test_a_name_that_is_no_longer_configured_fails_alone(manager: ModelManager, evidence: Evidence) -> None:
    found = Answers()
    run_models(evidence, ["GONE", "GOOD"], manager, found)
    assert "No model is called 'GONE'" in str(found.failures["GONE"])
    assert [result.model_name for result in found.results] == ["GOOD"]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["progress", "answered", "failed", "chunk", "chunks"])
@pytest.mark.parametrize("kind_of_error", [LookupError, MediaError])
def test_an_error_of_the_sink_ends_the_run(
    manager: ModelManager, evidence: Evidence, where: str, kind_of_error: type[Exception]
) -> None:
    class Broken(Answers):
        keeps_chunks = True

    def refuse(*_: object) -> None:
        raise kind_of_error("the job is lost")

    sink = Broken()
    setattr(sink, where, refuse)
    with pytest.raises(kind_of_error, match="the job is lost"):
        run_models(evidence, ["FOREIGN", "GOOD", "ALSO"], manager, sink)
    assert not sink.answers


def test_a_cancelled_model_has_not_failed(manager: ModelManager, evidence: Evidence) -> None:
    token, sink = CancelToken(), Answers()

    def cancel_at_work(event: ProgressEvent) -> None:
        if (event.model_name, event.phase) == ("FOREIGN", "decode"):
            token.cancel()

    sink.reporter = cancel_at_work
    with pytest.raises(AnalysisCancelledError):
        run_models(evidence, ["FOREIGN", "GOOD"], manager, sink, token)
    assert (sink.answers, sink.failures) == ({}, {})


def test_memory_that_is_short_while_loading_is_said_so(
    manager: ModelManager, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drishtiksha.detectors.base import Detector

    real = Detector.read_network

    def short(self: Detector, path: Path) -> Any:
        if self.model_name == "ALSO":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")
        return real(self, path)

    monkeypatch.setattr(Detector, "read_network", short)
    found = examine(evidence, ["ALSO", "GOOD"], manager)
    assert SAID["memory"] in str(found.failures["ALSO"])
    assert list(found.answers) == ["GOOD"]


@pytest.mark.slow
def test_a_run_imports_nothing_of_the_web_side() -> None:
    import subprocess
    import sys

    program = (
        "import sys, drishtiksha.services.runs\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('gradio', 'fastapi', 'sqlalchemy')\n"
        "       or m.startswith(('drishtiksha.ui', 'drishtiksha.server', 'drishtiksha.store'))]\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
