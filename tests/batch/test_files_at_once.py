"""Several files that one worker judges at once: their samples go through a network together, and what one of them does is
nothing to the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from deadly_detector import pictures, written_config
from detector_kit import BRIGHTNESS, SEQUENCE, dropped_in, entry, manager_of, plain_weights

from drishtiksha.batch import worker
from drishtiksha.batch.items import Item, items_of
from drishtiksha.batch.judge import Here, Job, Judge, Ledger, Made, Told
from drishtiksha.batch.known import Known
from drishtiksha.batch.local import Crew, LocalEngine, _Task, _Worker
from drishtiksha.batch.worker import Order, Ready, Said, Share, files_at_once
from drishtiksha.cli.batch import EngineName, engine_of
from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.joined import Together
from drishtiksha.settings import ROOT, Settings, load_settings

FILES = 8
PATIENT_S = 30.0
"""How long batches wait here for others: until all files at work have one, however slow this machine is."""
LEVELS = [20 + 14 * number for number in range(16)]


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(written_config(tmp_path)))
    return load_settings()


@pytest.fixture
def items(tmp_path) -> list[Item]:
    return list(items_of(sorted(pictures(tmp_path / "media", LEVELS).iterdir())))


Work = Callable[[torch.Tensor], object]


class Patient(Together):
    """Knows how many files there will be, so that a batch never runs before all that are at work have theirs in it."""

    def __init__(self, at_once: int, count: int) -> None:
        super().__init__(PATIENT_S)
        self._files, self._left = at_once, count

    @contextmanager
    def file(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self.changed:
                self._left -= 1
                self._files = min(self._files, self._left)
                self.changed.notify_all()


class Passes:
    """What a network was given, with a fault where a test wants one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Work, torch.Tensor], object] | None = None):
        self.sizes: list[int] = []
        own = Detector._quickest

        def quickest(detector: Detector, work: Work) -> Work:
            def passed(batch: torch.Tensor) -> object:
                self.sizes.append(len(batch))
                return fault(work, batch) if fault else work(batch)

            engine = detector.engine
            if engine is None or work != getattr(detector, engine.part):
                return own(detector, passed)
            return lambda batch: engine(passed, batch)

        monkeypatch.setattr(Detector, "_quickest", quickest)


def judged(settings: Settings, models: tuple[str, ...], items: list[Item], files: int) -> dict[tuple[str, str], Told]:
    """By a worker's threads, in this process."""
    judge = Judge(Job(settings, models))
    judge._together = Patient(files, len(items) * len(judge.groups))
    judge.compute_together()
    there: list[Told] = []
    with ThreadPoolExecutor(files) as pool:
        for group in judge.groups:
            done = [pool.submit(judge.judge, item, group, there.append, lambda _, these=group: these) for item in items]
            for one in done:
                one.result()
    found = {(Path(told.item.name).name, told.model): told for told in there}
    assert len(found) == len(there) == len(items) * len(models)
    return found


def alone(settings: Settings, models: tuple[str, ...], items: list[Item]) -> dict[tuple[str, str], Told]:
    here: list[Told] = []
    Here().run(Job(settings, models), items, here.append)
    return {(Path(told.item.name).name, told.model): told for told in here}


def scores(found: dict[tuple[str, str], Told]) -> dict[tuple[str, str], float | None]:
    return {key: told.row.p_fake for key, told in found.items() if told.row is not None}


def test_samples_of_several_files_go_through_a_network_together(settings, items, monkeypatch):
    plain = alone(settings, ("BRIGHT",), items)
    passes = Passes(monkeypatch)
    found = judged(settings, ("BRIGHT",), items, FILES)
    assert scores(found) == pytest.approx(scores(plain), abs=1e-6)
    assert {told.row.recipe for told in found.values()} == {told.row.recipe for told in plain.values()}
    assert passes.sizes == [8, *[1] * 8, 8], "what was first computed together is held against what each gives alone"


def test_one_file_at_a_time_is_computed_as_ever(settings, items, monkeypatch):
    plain = alone(settings, ("BRIGHT",), items[:3])
    passes = Passes(monkeypatch)
    assert scores(judged(settings, ("BRIGHT",), items[:3], 1)) == scores(plain)
    assert passes.sizes == [1, 1, 1]


def test_what_is_no_number_stays_with_its_file(settings, items, monkeypatch):
    def fault(work: Work, batch: torch.Tensor) -> object:
        logits, further = work(batch)
        return torch.where(batch.mean(dim=(1, 2, 3)) > 0.9, torch.nan, logits), further

    plain = scores(alone(settings, ("BRIGHT",), items))
    Passes(monkeypatch, fault)
    found = judged(settings, ("BRIGHT",), items, FILES)
    failed = {name for (name, _), told in found.items() if told.row.error}
    assert failed == {"015.png"}
    assert "computed no number" in found["015.png", "BRIGHT"].row.error
    rest = {key: p for key, p in scores(found).items() if key[0] not in failed}
    assert rest == pytest.approx({key: p for key, p in plain.items() if key in rest}, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("why", ["CUDA out of memory. Tried to allocate 2 GiB", "a kernel refused"])
def test_what_fails_together_is_computed_file_by_file(settings, items, monkeypatch, why):
    def fault(work: Work, batch: torch.Tensor) -> object:
        if len(batch) > 2:
            raise RuntimeError(why)
        return work(batch)

    plain = scores(alone(settings, ("BRIGHT",), items))
    passes = Passes(monkeypatch, fault)
    found = judged(settings, ("BRIGHT",), items, FILES)
    assert not [told for told in found.values() if told.row.error]
    assert scores(found) == pytest.approx(plain, abs=1e-6)
    if "memory" in why:  # then fewer are put together
        tried = [size for size in passes.sizes if size > 2]
        assert tried in ([8, 4], [8, 4, 4])
        assert 2 in passes.sizes


def test_a_network_that_mixes_its_samples_is_given_each_file_alone(settings, items, monkeypatch):
    def fault(work: Work, batch: torch.Tensor) -> object:
        logits, further = work(batch)
        return logits - logits.mean() * (len(batch) > 1), further

    plain = scores(alone(settings, ("BRIGHT",), items))
    passes = Passes(monkeypatch, fault)
    assert scores(judged(settings, ("BRIGHT",), items, FILES)) == plain
    assert len([size for size in passes.sizes if size > 1]) == 1


def test_models_in_turns_are_joined_each_time_they_are_loaded(settings, items, monkeypatch):
    little = settings.model_copy(update={"memory_budget_mb": 1})
    monkeypatch.setattr(Detector, "memory_bytes", 600_000)
    plain = alone(settings, ("BRIGHT", "DARK"), items)
    passes = Passes(monkeypatch)
    judge = Judge(Job(little, ("BRIGHT", "DARK")))
    assert judge.groups == [("BRIGHT",), ("DARK",)]
    assert scores(judged(little, ("BRIGHT", "DARK"), items, FILES)) == pytest.approx(scores(plain), abs=1e-6)
    assert max(passes.sizes) == FILES


@pytest.mark.slow
def test_frames_of_sequences_are_joined_and_sequences_are_not(tmp_path, monkeypatch):
    clip = (ROOT / "assets" / "clip_silent.mp4").read_bytes()
    files = [tmp_path / f"{number}.mp4" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(clip + b"\0\0\0\x08free" * number)
    parts: list[tuple[str, int]] = []
    with dropped_in(tmp_path / "more", sequence=SEQUENCE):
        torch.save({"gain": torch.ones(1)}, tmp_path / "one.pt")
        manager = manager_of({"RISE": entry("SequenceDetector", tmp_path / "one.pt")}, tmp_path, monkeypatch)
        own = Detector._work_at_once
        monkeypatch.setattr(
            Detector,
            "_work_at_once",
            lambda detector, work, batch: parts.append((type(work).__name__, batch.ndim)) or own(detector, work, batch),
        )
        plain = alone(manager.settings, ("RISE",), items := list(items_of(files)))
        assert {name for name, _ in parts} == {"method"}
        parts.clear()
        found = judged(manager.settings, ("RISE",), items, 3)
    assert scores(found) == scores(plain)
    assert set(parts) == {("partial", 4), ("method", 3)}, "frames by the engine, sequences of features without"


def test_several_files_share_one_detector_on_the_processor(tmp_path, monkeypatch):
    """Where the GPU has no room."""
    made: list[SimpleNamespace] = []

    class Anything(SimpleNamespace):
        """That a weak reference may be had of."""

    def on_cpu(detector: Detector) -> SimpleNamespace:
        made.append(Anything())
        return made[-1]

    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS):
        models = {"ONE": entry(model_path=plain_weights(tmp_path / "one.pt"))}
        detector = manager_of(models, tmp_path, monkeypatch).unloaded("ONE")
    monkeypatch.setattr(Detector, "runs_on", SimpleNamespace(type="cuda"))
    monkeypatch.setattr(Detector, "on_cpu", on_cpu)
    twins = [detector.elsewhere(RuntimeError("CUDA out of memory")) for _ in range(3)]
    assert len(made) == 1
    assert twins == made * 3
    del twins
    made.clear()
    assert detector.elsewhere(RuntimeError("CUDA out of memory")) is made[0], "the first is gone with the files"


def crew_of(settings: Settings, files: int, groups: list[tuple[str, ...]]) -> tuple[Crew, _Worker]:
    made = {name: Made("r") for group in groups for name in group}
    crew = Crew(Job(settings, tuple(made)), 1, 1)
    crew._groups, crew._ledger = groups, Ledger(Known(), made)
    process = SimpleNamespace(exitcode=-9, join=lambda *_: None, kill=lambda: None, close=lambda: None)
    lines = SimpleNamespace(sent=(sent := []), send=sent.append, close=lambda: None)
    crew._workers = [_Worker(process, lines, Ready(made, 1, False, groups, files))]
    return crew, crew._workers[0]


def names(one: _Worker) -> list[str]:
    return [task.item.name for task in one.tasks.values()]


def test_a_worker_has_several_files_but_the_first_and_the_suspected_alone(settings):
    crew, one = crew_of(settings, 3, [("M",)])
    waiting, again, told = iter(_Task(Item(name, name), ["M"], ("M",)) for name in "abcde"), [], []
    crew._hand_out(waiting, again)
    assert names(one) == ["a"], "what it imports is there before threads ask for it"
    one.begun = True
    crew._hand_out(waiting, again)
    assert names(one) == ["a", "b", "c"]
    assert [order.item.name for order in one.lines.sent if isinstance(order, Order)] == ["a", "b", "c"]
    crew._bury(one, again, told.append)
    assert sorted((task.item.name, task.died) for task in again if task.died) == [("a", 1), ("b", 1), ("c", 1)]
    _, again_one = crew_of(settings, 3, [("M",)])
    again_one.begun = True
    crew._workers = [again_one]
    crew._hand_out(waiting, again)
    (suspect,) = names(again_one)
    crew._bury(again_one, again, told.append)
    assert [(one.item.name, one.row.error_kind) for one in told] == [(suspect, "worker_died")]
    assert "crashed twice" in told[0].row.error


def test_models_that_take_turns_are_not_wanted_at_once(settings):
    crew, one = crew_of(settings, 4, [("A",), ("B",)])
    one.begun = True
    waiting, again = iter([_Task(Item(n, n), [m], (m,)) for n, m in (("a", "A"), ("b", "A"), ("c", "B"))]), []
    crew._hand_out(waiting, again)
    assert names(one) == ["a", "b"]
    for number, task in list(one.tasks.items()):
        crew._take(one, Said(number, Told(task.item, "A")), again, lambda _: None)
    crew._hand_out(waiting, again)
    assert names(one) == ["c"]


def test_how_many_files_at_once(monkeypatch):
    monkeypatch.setattr(worker, "cores", lambda: 16)
    for free, share, on_cpu, wanted in (
        (None, Share(), True, 1),
        (100e9, Share(), False, 8),
        (3.5e9, Share(), False, 3),
        (None, Share(workers=2), False, 4),
        (0, Share(workers=9), False, 1),
        (0, Share(files=5), True, 5),
        (100e9, Share(files=1), False, 1),
    ):
        monkeypatch.setattr(worker, "free_bytes", lambda free=free: free)
        assert files_at_once(share, on_cpu=on_cpu) == wanted
    monkeypatch.setattr(worker, "cores", lambda: 2)
    assert files_at_once(Share(), on_cpu=False) == 2


def test_the_option_reaches_the_workers_of_either_engine(settings, monkeypatch):
    assert engine_of(EngineName.RAY, None, None, 3, None).files == 3
    given: list[Share] = []
    monkeypatch.setattr(Crew, "work", lambda crew, items, take: given.append(crew.share))
    engine_of(EngineName.LOCAL, 2, None, 3, None).run(Job(settings, ("BRIGHT",)), [], lambda _: None)
    assert given == [Share(3, 2)]


@pytest.mark.slow  # its workers import torch
def test_a_file_among_eight_that_kills_its_worker_costs_no_other_its_turn(tmp_path, monkeypatch):
    noted = tmp_path / "noted"
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(written_config(tmp_path, deadly=0.95, noted=str(noted), slow_s=0.2)))
    levels = [*LEVELS[:12], 250, *LEVELS[12:15]]
    items = list(items_of(sorted(pictures(tmp_path / "media", levels).iterdir())))
    there: list[Told] = []
    LocalEngine(workers=1, files=FILES).run(Job(load_settings(), ("DEADLY",)), items, there.append)
    assert Counter(told.row.error_kind for told in there) == {None: 15, "worker_died": 1}
    (died,) = [told for told in there if told.row.error]
    assert died.item.name.endswith("012.png")
    looks = Counter(line.split()[1] for line in noted.read_text().splitlines())
    assert looks["0.980"] == 2
    assert max(looks.values()) <= 2
    here = scores(alone(load_settings(), ("BRIGHT",), [item for item in items if item != died.item]))
    assert {name: p for (name, _), p in here.items()} == pytest.approx(
        {Path(told.item.name).name: told.row.p_fake for told in there if told.row.p_fake is not None}, abs=1e-6
    )
