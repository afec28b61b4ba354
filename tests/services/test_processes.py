"""Workers as processes of their own: what crashes, is killed or hangs costs one job at most, and never the server."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sample_results
import torch
import yaml
from fragile_detector import FRAGILE
from PIL import Image

from drishtiksha.casefile import LOCAL, JobState, JobView
from drishtiksha.errors import ModelRegistryError, UnreadableMediaError, WeightsMissingError, WrongMediaKindError
from drishtiksha.forensics import Filter
from drishtiksha.registry import ModelManager
from drishtiksha.services import keeping
from drishtiksha.services import worker as worker_module
from drishtiksha.services.devices import by_device, by_device_elsewhere
from drishtiksha.services.intake import take_in
from drishtiksha.services.lines import Lines
from drishtiksha.services.workbench import Workbench
from drishtiksha.services.worker import must_end
from drishtiksha.services.workers import Workers
from drishtiksha.settings import ROOT, load_settings
from drishtiksha.ui.shared.chart import seen_at
from drishtiksha.ui.shared.shown import display_copy, gallery

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs signals of POSIX"),
]

PORTRAIT = ROOT / "assets" / "portrait.jpg"
PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """One for all tests of this file, since a process takes seconds to start."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "detectors").mkdir()
    (folder / "detectors" / "fragile.py").write_text(FRAGILE)
    torch.save({"gain": torch.ones(1)}, folder / "gain.pt")
    same = {"class_name": "FragileDetector", "description": "for tests", "isImage": True}
    sound = {**same, "model_path": str(folder / "gain.pt")}
    models = {
        "STURDY": {**sound, "slow_s": 0.1},
        "FRAGILE": {**sound, "fault": str(folder / "fault")},
        "ABSENT": {**same, "model_path": str(folder / "absent.pt")},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"models": models, "device": "cpu"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRISHTIKSHA_CONFIG", str(folder / "config.yaml"))
        patch.setattr(keeping, "WAITS_S", (0.0, 0.1))
        settings = load_settings(
            workers="processes", data_dir=folder / "data", detectors_dir=folder / "detectors", max_queue=50
        )
        bench = Workbench(settings, ModelManager(settings))
        bench.start()
        yield bench
        bench.stop()
        bench.store.close()


@pytest.fixture
def fault(bench: Workbench) -> Iterator[Path]:
    """Write the name of a signal into it, and FRAGILE sends that to its own process."""
    path = Path(bench.manager.model_configs["FRAGILE"].fault)  # type: ignore[attr-defined]
    yield path
    path.unlink(missing_ok=True)
    Path(f"{path}.noted").unlink(missing_ok=True)


def until(met: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def worker_of(bench: Workbench) -> int:
    """The process of the worker, once it works."""
    keeper = bench._workers._keepers[0]  # type: ignore[attr-defined]
    until(lambda: keeper._worker, "the worker did not begin")
    return int(keeper._worker.split(":")[1])


def submitted(bench: Workbench, *models: str) -> str:
    return bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg").submit(models)


def ended(bench: Workbench, job_id: str) -> JobView:
    deadline = time.monotonic() + PATIENCE_S
    for view in bench.seen_by(LOCAL).watch(job_id, tick_s=0.02):
        assert view.state.ended or time.monotonic() < deadline, (view, bench.workers_state)
    return view


def test_a_crash_takes_the_job_to_a_retry_and_then_to_a_failure_with_a_reason(bench, fault):
    fault.write_text("SIGSEGV")
    broken, sound = submitted(bench, "FRAGILE"), submitted(bench, "STURDY")
    last = ended(bench, broken)
    assert last.state is JobState.FAILED
    assert "crashed again and again" in last.errors["FRAGILE"]
    assert "a fault in its memory" in last.errors["FRAGILE"]
    assert Path(f"{fault}.noted").read_text() == "xx", "once, and once again"
    assert ended(bench, sound).state is JobState.DONE
    fault.unlink()
    assert ended(bench, bench.seen_by(LOCAL).retry(broken)).state is JobState.DONE
    until(lambda: bench.working, "the state stays bad")


def test_a_worker_that_hangs_is_replaced_and_the_state_says_so(bench, fault, monkeypatch):
    first = worker_of(bench)
    fault.write_text("SIGSTOP")
    job_id = submitted(bench, "FRAGILE")
    until(lambda: Path(f"{fault}.noted").exists(), "it did not come to the fault")
    monkeypatch.setattr(keeping, "SILENT_S", 2.5)
    monkeypatch.setattr(keeping, "HANG_S", 4.0)
    until(lambda: "has not answered" in bench.workers_state, "nobody noticed")
    fault.unlink()
    until(lambda: worker_of(bench) != first, "it was not replaced")
    monkeypatch.undo()
    assert ended(bench, job_id).state is JobState.DONE
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_machine_that_stood_still_is_no_hang_of_its_worker(bench, monkeypatch):
    clock, looks = [1000.0], iter([0.5, 0.5, 10 * keeping.HANG_S, *[0.5] * 200])
    keeper = keeping.Keeper("a worker", "worker", bench.manager, bench._jobs, lambda: None)
    keeper._worker, keeper._sign = "a:1", clock[0]
    killed = []

    class Silent:
        def wait(self, _: float) -> bool:
            clock[0] += next(looks)
            return False

    monkeypatch.setattr(keeping, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=time.sleep))
    process = SimpleNamespace(kill=lambda: killed.append(clock[0]), wait=lambda: 0)
    assert keeper._watch(process, Silent()), "without a sign it is killed in the end"
    assert killed[0] - (1001.0 + 10 * keeping.HANG_S) == pytest.approx(keeping.HANG_S, abs=1)


def test_kill_9_amid_ten_queued_jobs_three_times_loses_and_repeats_nothing(bench):
    whole = ended(bench, submitted(bench, "STURDY")).results[0]
    jobs = [submitted(bench, "STURDY") for _ in range(10)]
    for left in (9, 6, 3):
        until(lambda n=left: sum(not ended_now(bench, job) for job in jobs) <= n, f"{left} should be left")  # type: ignore[misc]
        os.kill(worker_of(bench), signal.SIGKILL)
    views = [ended(bench, job) for job in jobs]
    assert [(view.state, view.errors, len(view.results)) for view in views] == [(JobState.DONE, {}, 1)] * 10
    assert {view.results[0].p_fake for view in views} == {whole.p_fake}
    until(lambda: bench.working, "the state stays bad")


def ended_now(bench: Workbench, job_id: str) -> bool:
    return bench.seen_by(LOCAL).job(job_id).state.ended


def test_what_is_loaded_is_known_without_loading_it_here(bench):
    bench.load_model("STURDY")
    facts = bench.manager.loaded_facts("STURDY")
    assert (facts.parameters, facts.device) == (1, "cpu")
    assert bench.manager.status("STURDY").state == "loaded"
    assert bench.manager.loaded("STURDY") is None
    assert bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg").plan(["STURDY"]).to_load == ()
    bench.unload_model("STURDY")
    assert bench.manager.status("STURDY").state == "ready"


def test_a_model_that_cannot_be_loaded_says_why_as_in_this_process(bench):
    with pytest.raises(ModelRegistryError, match=r"ABSENT could not be loaded.*absent\.pt") as caught:
        bench.load_model("ABSENT")
    assert isinstance(caught.value.__cause__, WeightsMissingError)


def test_a_glance_at_a_file_is_taken_by_a_worker(bench):
    glance = bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg").glance()
    assert (glance.frames, glance.faces) == (1, 1)


def test_a_worker_that_dies_while_it_is_asked_is_told(bench):
    first = worker_of(bench)
    os.kill(first, signal.SIGSTOP)
    keeper = bench._workers._keepers[0]
    threading.Timer(0.3, os.kill, (first, signal.SIGKILL)).start()
    with pytest.raises(ModelRegistryError, match="killed"):
        keeper.ask("STURDY could not be loaded", do="load", model="STURDY")
    assert worker_of(bench) != first


def test_a_file_at_which_its_reader_crashes_is_refused_and_the_server_goes_on(bench, monkeypatch):
    taking = bench._workers._taking
    until(lambda: taking._worker, "it did not begin")
    send, sent = Lines.send, []

    def sent_and_crashed(lines: Lines, **message: Any) -> bool:
        done = send(lines, **message)
        if message.get("called") == "bad.jpg":
            sent.append(message)
            os.kill(reader_of(taking), signal.SIGSEGV)
        return done

    monkeypatch.setattr(Lines, "send", sent_and_crashed)
    with pytest.raises(UnreadableMediaError, match=r"bad\.jpg could not be read.*a fault in its memory"):
        take_in(bench, PORTRAIT, "bad.jpg", LOCAL)
    assert len(sent) == 2, "once, and once again"
    case = take_in(bench, PORTRAIT, "good.jpg", LOCAL)
    assert case.read().provenance is not None
    assert bench._workers._keepers[0]._why == "", "no job is concerned"


def test_whatever_is_shown_of_a_file_is_decoded_apart_and_a_crash_there_costs_the_page_nothing(
    bench, monkeypatch, tmp_path
):
    taking = bench._workers._taking
    until(lambda: taking._worker, "it did not begin")
    case = bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg")
    result = sample_results.clean_picture().model_copy(update={"media": case.media})
    send, sent, fault = Lines.send, [], []

    def noted(lines: Lines, **message: Any) -> bool:
        hit = bool(fault) and "task" in message
        if hit:
            os.kill(reader_of(taking), signal.SIGSTOP)  # or it may be done before it is hit
        done = send(lines, **message)
        if "task" in message:
            sent.append(message["task"])
        if hit:
            os.kill(reader_of(taking), signal.SIGSEGV)
            os.kill(reader_of(taking), signal.SIGCONT)
        return done

    monkeypatch.setattr(Lines, "send", noted)
    assert np.asarray(Image.open(display_copy(case))).shape == (512, 512, 3)
    assert [Path(picture).is_file() for picture, _ in gallery(case, result, "one")] == [True]
    assert seen_at(case, [result], None)[0].picture
    report = case.report(tmp_path / "r.html", case.read().model_copy(update={"results": (result,)}))
    assert b"data:image/" in report.read_bytes()
    with pytest.raises(WrongMediaKindError, match="no video"):
        case.key_frames()
    assert sent == ["picture", "moments", "seen", "report", "key_frames"]
    fault.append("now")
    with pytest.raises(UnreadableMediaError, match=r"p\.jpg could not be read.*a fault in its memory"):
        case.look(Filter.NOISE)
    assert sent[5:] == ["look", "look"], "once, and once again"
    fault.clear()
    assert case.look(Filter.NOISE).path.is_file()


@pytest.mark.parametrize(("since_s", "waiting", "ends"), [(0, 0, False), (11, 0, True), (60, 2, False), (121, 2, True)])
def test_a_decoder_that_was_given_up_and_works_on_ends_its_process(monkeypatch, since_s, waiting, ends):
    monkeypatch.setattr(worker_module, "astray_s", lambda: since_s)
    assert must_end(waiting) is ends


def test_a_worker_with_a_decoder_astray_ends_after_its_job_and_another_does_the_next(bench, fault):
    first = worker_of(bench)
    fault.write_text("astray")
    assert ended(bench, submitted(bench, "FRAGILE")).state is JobState.DONE
    until(lambda: worker_of(bench) != first, "it was not replaced")
    fault.unlink()
    assert ended(bench, submitted(bench, "FRAGILE")).state is JobState.DONE
    until(lambda: bench.working, "the state stays bad")


def reader_of(keeper: Any) -> int:
    """The process of a keeper."""
    return int(keeper._worker.partition(":")[2])


def children_of(process: int) -> list[str]:
    """Their numbers, where /proc tells."""
    return [n for task in Path(f"/proc/{process}/task").glob("*/children") for n in task.read_text().split()]


def test_the_worker_command_runs_the_jobs_of_a_server_elsewhere(bench, tmp_path):
    settings = bench.settings.model_copy(update={"data_dir": tmp_path / "data"})
    elsewhere = Workbench(settings, ModelManager(settings))  # never started, as a server on another machine
    own = {
        "DRISHTIKSHA_CONFIG": os.environ["DRISHTIKSHA_CONFIG"],
        "DRISHTIKSHA_DATA_DIR": str(tmp_path / "data"),
        "DRISHTIKSHA_DETECTORS_DIR": str(settings.detectors_folder),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "drishtiksha", "worker"]
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | own, stderr=subprocess.PIPE, text=True)
    try:
        last = ended(elsewhere, submitted(elsewhere, "STURDY"))
        assert last.state is JobState.DONE, last.errors
        assert len(children_of(process.pid)) == (1 if sys.platform == "linux" else 0), (
            "a worker, and nobody who takes files in"
        )
        process.terminate()
        told = process.communicate(timeout=PATIENCE_S)[1]
    finally:
        process.kill()
    assert process.returncode == 0, told
    assert "Waiting for jobs" in told
    assert "STURDY" in told, "a line a job in the log"
    elsewhere.store.close()


def test_devices_are_told_apart_without_torch_here():
    assert by_device_elsewhere(["cpu"]) == [["cpu"]]
    assert by_device_elsewhere(["cuda:7", "cpu", "cpu"]) == by_device(["cuda:7", "cpu"]) == [["cpu"], ["cuda:7"]]


def test_when_the_server_stops_jobs_go_back_and_no_process_stays(bench):
    process = worker_of(bench)
    jobs = [submitted(bench, "STURDY") for _ in range(6)]
    until(lambda: bench.seen_by(LOCAL).job(jobs[0]).state is not JobState.QUEUED, "nothing began")
    bench.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert "no worker" in bench.workers_state
    states = {bench.seen_by(LOCAL).job(job).state for job in jobs}
    assert states <= {JobState.QUEUED, JobState.DONE}
    assert JobState.QUEUED in states
    bench.start()
    assert {ended(bench, job).state for job in jobs} == {JobState.DONE}


def test_what_a_job_loaded_is_told_before_the_job_ends(bench: Workbench, tmp_path: Path) -> None:
    """Whoever waited for it plans the next one by that."""
    settings = bench.settings.model_copy(update={"data_dir": tmp_path})
    desk = Workbench(settings, ModelManager(settings))  # not started: the worker below is its only one
    job_id = submitted(desk, "STURDY")
    told: list[tuple[list[str], JobState]] = []

    class Wire(Lines):
        def send(self, **message: Any) -> bool:
            told.append((sorted(message["loaded"]), desk.seen_by(LOCAL).job(job_id).state))
            return True

    worker = worker_module._Worker(settings, Wire(io.StringIO(), io.StringIO()), (["cpu"], None))
    worker._workers.start()
    try:
        assert ended(desk, job_id).state is JobState.DONE
    finally:
        worker._workers.stop()
        desk.store.close()
    assert told == [(["STURDY"], JobState.RUNNING)]


def test_a_worker_takes_nothing_on_before_the_imports_are_done(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads that import a package and a module of it at once find one of them half made."""
    done: list[str] = []
    monkeypatch.setattr(worker_module, "_warm_up", lambda: done.append("imports"))
    monkeypatch.setattr(Workers, "start", lambda _: done.append("jobs"))
    monkeypatch.setattr(Workers, "warm_up", lambda _: done.append("networks"))
    settings = bench.settings.model_copy(update={"data_dir": tmp_path})
    worker = worker_module._Worker(settings, Lines(io.StringIO(), io.StringIO()), (["cpu"], None))
    worker.begin()
    worker._signs.stop()
    assert done == ["imports", "networks", "jobs"]
