"""Worker processes: what a file, a signal or a stop does to them, and that scores are those of one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from deadly_detector import pictures, written_config
from typer.testing import CliRunner

from drishtiksha.batch import local, worker
from drishtiksha.batch.items import Item, items_of
from drishtiksha.batch.judge import Content, Here, Job, Ledger, Made, Told
from drishtiksha.batch.known import Known
from drishtiksha.batch.local import Crew, LocalEngine, _Task, _Worker, room_for
from drishtiksha.batch.machine import free_bytes, peak_bytes
from drishtiksha.batch.parts import ResultFolder
from drishtiksha.batch.rows import failed_row
from drishtiksha.batch.worker import Asked, Ready, Said
from drishtiksha.cli import Exit, app
from drishtiksha.errors import ModelFailedError, ModelRegistryError
from drishtiksha.evaluation.scores import read_scores
from drishtiksha.settings import ROOT, Settings, load_settings

pytestmark = pytest.mark.slow  # each worker imports torch
LEVELS = [20, 250, 60, 120, 200, 230]
KILLED = "001.png"


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    """DEADLY is killed by 001.png, which is too bright for it; `noted` has a line for each look."""
    config = written_config(tmp_path, deadly=0.95, noted=str(tmp_path / "noted"))
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(config))
    return load_settings()


@pytest.fixture
def media(tmp_path) -> Path:
    return pictures(tmp_path / "media", LEVELS)


def files(media: Path) -> list[Item]:
    return list(items_of(sorted(media.iterdir())))


def facts(told: list[Told]) -> dict[tuple[str, str], tuple[object, ...]]:
    """What is the same wherever a file was judged."""
    found = {}
    for one in told:
        assert one.row is not None
        row = one.row
        samples = tuple(sample["p_fake"] for sample in one.samples)
        key = (Path(row.name).name, row.model)
        assert key not in found, "once each"
        found[key] = (row.p_fake, row.prediction, row.sha256, row.recipe, row.error_kind, samples)
    return found


def test_scores_are_the_same_and_a_deadly_file_stops_no_other(settings, media, tmp_path):
    job = Job(settings, ("BRIGHT", "DEADLY"))
    here: list[Told] = []
    Here().run(job, [item for item in files(media) if not item.name.endswith(KILLED)], here.append)
    there: list[Told] = []
    LocalEngine(workers=1).run(job, files(media), there.append)
    found = facts(there)
    died = found.pop((KILLED, "DEADLY"))
    assert died[1] is None
    assert died[4] == "worker_died"
    assert found.pop((KILLED, "BRIGHT"))[1] == "FAKE", "what was finished before stays"
    assert found == facts(here)
    (row,) = [told.row for told in there if told.row and told.row.error]
    assert row.sha256
    assert "crashed twice" in row.error
    assert "it was killed" in row.error
    looks = Counter(line.split()[1] for line in (tmp_path / "noted").read_text().splitlines())
    assert looks["0.980"] == 2, "tried once more, and not again"


def test_of_the_same_bytes_one_is_judged_whoever_has_them(settings, media, tmp_path):
    """Two workers have them at the same moment."""
    for name in ("000 copy.png", "010.png"):
        (media / name).write_bytes((media / "000.png").read_bytes())
    (media / "001.png").unlink()
    there: list[Told] = []
    LocalEngine(workers=2).run(Job(settings, ("DEADLY",)), files(media), there.append)
    assert len({told.item.name for told in there}) == len(there) == len(LEVELS) + 1
    alike = [told for told in there if Path(told.item.name).name in ("000.png", "000 copy.png", "010.png")]
    assert len({told.content for told in alike}) == 1
    assert [told.row is None for told in alike] == [False, True, True], "the judged one is told first"
    assert Counter(line.split()[1] for line in (tmp_path / "noted").read_text().splitlines())["0.078"] == 1


class Pipe:
    """Of a worker that does nothing."""

    def __init__(self) -> None:
        self.sent: list[object] = []
        self.send = self.sent.append

    def close(self) -> None: ...


class Dead:
    exitcode = -9

    def join(self, timeout: float | None = None) -> None: ...

    kill = close = join


def crew_of(settings: Settings, workers: int) -> Crew:
    crew = Crew(Job(settings, ("M",)), workers, 1)
    crew._wanted, crew._groups, crew._ledger = workers, [("M",)], Ledger(Known(), {"M": Made("r")})
    crew._workers = [_Worker(Dead(), Pipe(), Ready({"M": Made("r")}, 1, True)) for _ in range(workers)]
    return crew


@pytest.mark.parametrize("ends", ["result", "error", "death"])
def test_who_waits_for_the_same_bytes_is_told_or_judged(settings, tmp_path, ends):
    crew, again, told = crew_of(settings, 2), [], []
    first, second = crew._workers
    items = [Item("a", str(tmp_path / "a")), Item("b", str(tmp_path / "b"))]
    assert crew._hand_out(iter([_Task(item, ["M"], ("M",)) for item in items]), again)
    for number, one in enumerate((first, second)):
        crew._answer(one, Asked(number, "ab" * 32), told.append)
    assert [one.lines.sent[-1] for one in (first, second)] == [(0, ("M",)), (1, ())]
    assert not second.tasks
    assert not told
    row = failed_row(items[0], "M", "r", "ab" * 32, "why", "unreadable")
    if ends == "result":
        row = replace(row, error=None, error_kind=None, result="{}")
    if ends == "death":
        crew._bury(first, again, told.append)
        assert [(task.item.name, task.died) for task in again] == [("a", 1), ("b", 0)]
        return
    crew._take(first, Said(0, Told(items[0], "M", row)), again, told.append)
    assert not first.tasks
    if ends == "error":
        assert [task.item.name for task in again] == ["b"]
    else:
        assert [(one.item.name, one.same_as) for one in told] == [("a", None), ("b", Content("ab" * 32, "r"))]
        second.tasks[2] = _Task(Item("c", "c"), ["M"], ("M",))
        crew._answer(second, Asked(2, "ab" * 32), told.append)
        assert (told[-1].item.name, told[-1].same_as, second.tasks) == ("c", Content("ab" * 32, "r"), {})


def test_a_worker_that_is_killed_from_outside_costs_nothing(settings, media, monkeypatch):
    there: list[Told] = []
    killed: list[int] = []
    with Crew(Job(settings, ("BRIGHT",)), 1, 1) as crew:

        def take(told: Told) -> None:
            there.append(told)
            if not killed:
                killed.append(crew._workers[0].process.pid)
                os.kill(killed[0], signal.SIGKILL)

        crew.work(files(media), take)
        assert crew._workers[0].process.pid not in killed
    assert len(facts(there)) == len(LEVELS)
    assert all(told.row.error is None for told in there)


def test_a_worker_that_hangs_is_killed(settings, media, tmp_path, monkeypatch):
    """One that is stopped gives no sign of life."""
    monkeypatch.setattr(local, "HANG_S", 4.0)
    there: list[Told] = []
    with Crew(Job(settings, ("BRIGHT",)), 1, 1) as crew:

        def take(told: Told) -> None:
            there.append(told)
            if len(there) == 1:
                os.kill(crew._workers[0].process.pid, signal.SIGSTOP)

        crew.work(files(media), take)
    assert len(facts(there)) == len(LEVELS)
    assert all(told.row.error is None for told in there)


def test_models_that_cannot_be_loaded_are_told_once(settings, media):
    missing = settings.model_copy(
        update={"models": {"BRIGHT": {**settings.models["BRIGHT"], "model_path": "models/no.pt"}}}
    )
    with pytest.raises(ModelRegistryError, match="BRIGHT could not be loaded"):
        LocalEngine(workers=1).run(Job(missing, ("BRIGHT",)), files(media), lambda told: None)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "drishtiksha", "batch", *map(str, arguments)]


def test_ctrl_c_stops_within_seconds_and_the_same_command_goes_on(tmp_path):
    noted = tmp_path / "noted"
    config = written_config(tmp_path, noted=str(noted), slow_s=0.1)
    media = pictures(tmp_path / "media", [10 + number for number in range(40)])
    arguments = command(media, "-m", "DEADLY", "--out", tmp_path / "out", "--workers", "1")
    environment = {**os.environ, "DRISHTIKSHA_CONFIG": str(config), "PYTHONPATH": str(ROOT)}

    def as_in_a_terminal() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell has what it starts in the background ignore it

    running = subprocess.Popen(
        arguments,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=as_in_a_terminal,
    )
    deadline = time.monotonic() + 120
    while not noted.exists() or len(noted.read_text().splitlines()) < 6:
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGINT)
    began = time.monotonic()
    _, told = running.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert running.returncode not in (Exit.DONE, Exit.USAGE, Exit.UNREADABLE)
    assert "the same command goes on from there" in told
    assert "Traceback" not in told
    finished = len(list(ResultFolder(tmp_path / "out").rows()))
    looks = len(noted.read_text().splitlines())
    assert looks - 1 <= finished <= looks
    done = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == Exit.DONE
    assert "DEADLY: 40 files: 40 REAL" in done.stdout
    assert len(noted.read_text().splitlines()) == 40 + (looks - finished)


def test_evaluate_by_workers_and_in_this_process_agree(settings, media, tmp_path):
    rows = [
        f"{path.name},{'fake' if level > 127 else 'real'}"
        for path, level in zip(sorted(media.iterdir()), LEVELS, strict=True)
    ]
    (media / "list.csv").write_text("\n".join(["file,label", *rows]))

    def scores(name: str, *options: str) -> list[object]:
        folder = tmp_path / name
        arguments = ["evaluate", str(media / "list.csv"), "-m", "BRIGHT", "--out", str(folder), *options]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == Exit.DONE, done.output
        return [
            (s.file, s.label, s.p_fake, s.prediction, s.recipe, s.sha256) for s in read_scores(folder / "scores.csv")
        ]

    plain = scores("plain")
    assert sorted(scores("workers", "--workers", "2")) == sorted(plain)
    batch = ["batch", str(media / "list.csv"), "-m", "BRIGHT", "--out", str(tmp_path / "batch"), "--workers", "1"]
    assert CliRunner().invoke(app, batch).exit_code == Exit.DONE
    measured = CliRunner().invoke(app, ["evaluate", str(tmp_path / "batch"), "--out", str(tmp_path / "m"), "--json"])
    assert measured.exit_code == Exit.DONE, measured.output
    assert json.loads(measured.stdout)["files"] == len(LEVELS)
    assert [
        (s.file, s.label, s.p_fake, s.prediction, s.recipe, s.sha256) for s in read_scores(tmp_path / "m/scores.csv")
    ] == plain


def test_workers_that_never_begin_are_given_up(settings, media, monkeypatch):
    monkeypatch.setattr(worker, "_serve", os._exit)
    with pytest.raises(ModelFailedError, match="No worker could be started"):
        LocalEngine(workers=1).run(Job(settings, ("BRIGHT",)), files(media), lambda told: None)


def test_workers_are_as_many_as_cores_and_memory_bear(monkeypatch, tmp_path):
    ready = Ready({}, 1_000_000_000, True)
    monkeypatch.setattr(local, "cores", lambda: 8)
    for free, wanted in ((None, 8), (100e9, 8), (3.1e9, 3), (0, 1)):
        monkeypatch.setattr(local, "free_bytes", lambda free=free: free)
        assert room_for(ready) == wanted
    assert room_for(Ready({}, 1, False)) == 1
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    1000 kB\n")
    assert free_bytes(tmp_path, tmp_path / "meminfo") == 1_024_000
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert free_bytes(tmp_path, tmp_path / "meminfo") == 1_024_000
    (tmp_path / "memory.max").write_text("1005\n")
    assert free_bytes(tmp_path, tmp_path / "meminfo") == 1000
    assert free_bytes(tmp_path / "no", tmp_path / "no") is None
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t    5 kB\n")
    assert peak_bytes(tmp_path / "status") == 5120
    assert peak_bytes(tmp_path / "no") > 1_000_000


def test_what_a_process_takes_is_not_what_its_parent_took():
    held = b"x" * 300_000_000
    code = "from drishtiksha.batch.machine import peak_bytes; print(peak_bytes())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert int(done.stdout) < 150_000_000 < len(held) < peak_bytes()
