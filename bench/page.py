"""What the page costs: from a drop to facts and answer, opening a finished result by its link, waiting, and a chart.

`python -m bench.page [--repeats N]` prints the table.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from bench.measure import ROOT, alone, median_s
from drishtiksha.answer import answer_of
from drishtiksha.casefile import LOCAL
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import load_settings
from drishtiksha.ui.analyze import handlers, view
from drishtiksha.ui.shared.desk import Desk

MODEL = "FACE-BLEND-LITE-V1"
CLIP = ROOT / "assets" / "clip_with_sound.mp4"
CLIPS = ROOT.parent / "shared" / "data" / "clips"
GOALS = {"stage_360p.mp4": (1.0, 2.0, 5.0), "street_faces_1080p.mp4": (1.5, None, 8.0)}
"""Seconds from a drop to facts, to the first line of the answer, and to all of them, on two quiet cores."""
AHEAD = 20
"""Jobs in the queue before the one that is waited for."""


def table(repeats: int) -> str:
    """The rows as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=folder, device="cpu", max_queue=2 * AHEAD)
        bench = Workbench(settings, ModelManager(settings))
        bench.manager.load_model(MODEL)
        bench.start()
        try:
            answered, first, job_id = _answers(bench, repeats)
            drops = [_dropped(bench, clip, repeats) for clip in _clips()]
        finally:
            bench.stop()
        result = bench.seen_by(LOCAL).job(job_id).results[0]
        rows = [
            ("from the start of a job to its first answer, a preliminary one where there is one", f"{first:.2f} s"),
            ("from the start of a job to its full answer", f"{answered:.2f} s"),
            ("opening a finished result by its link", _cost(lambda: _open(bench, job_id), repeats)),
            (f"one poll of a page that waits behind {AHEAD} jobs", _cost(_waiting(bench), repeats)),
            ("drawing a timeline", _drawing(result, repeats)),
        ]
    return "\n".join(
        [
            f"| the page, with {MODEL} on {CLIP.name} | |",
            "|---|---|",
            *(f"| {what} | {value} |" for what, value in rows),
            "",
            "| from a drop, with all embedded detectors | facts | first line | all lines | goals |",
            "|---|---|---|---|---|",
            *drops,
        ]
    )


def _answers(bench: Workbench, repeats: int) -> tuple[float, float, str]:
    """Seconds until the whole answer and until the first one, medians; and the last job."""
    spent: list[tuple[float, float]] = []
    for _ in range(repeats):
        started, first = time.perf_counter(), None
        job_id = _submitted(bench)
        for job in bench.seen_by(LOCAL).watch(job_id, tick_s=0.01):
            if first is None and (job.preview is not None or job.results):
                first = time.perf_counter() - started
        whole = time.perf_counter() - started
        spent.append((whole, whole if first is None else first))
    whole_s, first_s = (statistics.median(column) for column in zip(*spent, strict=True))
    return whole_s, first_s, job_id


def _clips() -> list[Path]:
    """The shared clips that goals are set for, where they are; else the example with sound."""
    return [path for name in GOALS if (path := CLIPS / name).is_file()] or [CLIP]


def _dropped(bench: Workbench, clip: Path, repeats: int) -> str:
    """A row: medians after one drop that loads the models."""
    spent = [_drop(bench, clip) for _ in range(repeats + 1)][1:]
    facts, first, whole = (statistics.median(column) for column in zip(*spent, strict=True))
    goals = ", ".join(f"{goal:g}" if goal else "-" for goal in GOALS.get(clip.name, ())) or "-"
    return f"| {clip.name} | {facts:.2f} s | {first:.2f} s | {whole:.2f} s | {goals} |"


def _drop(bench: Workbench, clip: Path) -> tuple[float, float, float]:
    """Seconds until the page shows facts, until a detector's line stands in the answer, and until all do. The first two
    answers come from what has been judged by then."""
    desk, seen = Desk(bench), bench.seen_by(LOCAL)
    with tempfile.TemporaryDirectory() as folder:
        upload = Path(shutil.copy(clip, folder))
        started = time.perf_counter()
        case = desk.take(upload, upload.name, LOCAL)
        handlers.page_of(desk, case)
        facts, first = time.perf_counter() - started, None
        for job in seen.watch(case.examine(), tick_s=0.01):
            if first is None and (job.preview is not None or job.results):
                case.answer()
                first = time.perf_counter() - started
        case.answer()
        whole = time.perf_counter() - started
    case.delete()
    return facts, whole if first is None else first, whole


def _submitted(bench: Workbench) -> str:
    """A job on a case of its own."""
    with tempfile.NamedTemporaryFile(suffix=CLIP.suffix) as upload:
        Path(upload.name).write_bytes(CLIP.read_bytes())
        return bench.seen_by(LOCAL).take(Path(upload.name), CLIP.name).submit([MODEL])


def _open(bench: Workbench, job_id: str) -> None:
    for _ in handlers.reopen(Desk(bench), job_id, LOCAL):
        pass


def _waiting(bench: Workbench) -> Callable[[], object]:
    """What a waiting page asks for several times a second. Nobody works on the queue meanwhile."""
    for _ in range(AHEAD):
        _submitted(bench)
    job_id, seen = _submitted(bench), bench.seen_by(LOCAL)
    return lambda: seen.job(job_id)


def _cost(work: Callable[[], object], repeats: int) -> str:
    seconds = median_s(work, repeats)
    with _statements() as sent:
        work()
    return f"{seconds * 1e3:.1f} ms, {len(sent)} SQL statements"


def _drawing(result: AnalysisResult, repeats: int) -> str:
    answer = answer_of(result.media, [result])
    size = len(view.timeline([result], answer).encode())
    return f"{median_s(lambda: view.timeline([result], answer), repeats) * 1e3:.1f} ms, {size / 1e3:.1f} kB"


@contextmanager
def _statements() -> Iterator[list[str]]:
    """The SQL that is sent meanwhile, by any engine."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


if __name__ == "__main__":
    alone(table, __doc__)
