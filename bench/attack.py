"""`make attack`: damaged and odd files, by a seed, each opened, looked into and judged in a process that may fall.

Every file must end in a result or in an error of our own, within the bounds of time and memory, and none whose pixels are
mostly destroyed may be cleared.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.measure import machine
from bench.mutants import Mutant, mutants, plain_files

MOST_S = 30.0
"""Of processor time for one file; and of wall time, of which a busy machine may take twice as much."""

ANALYSIS_S = 20.0
"""limits.analysis_s while the files are judged: what takes longer ends with a part of the result, and says so."""

MOST_BYTES = 1_500_000_000
FACES, VOICE = "FACE-BLEND-LITE-V1", "VOICE-SPOOF-LITE-V1"

OTHER_LEVELS = 32
"""A pixel is destroyed when a channel differs by more than so many levels of 255."""

DESTROYED = 0.5
"""Share of the pixels."""

NOISE = 0.05
"""Difference of scores that is no more than another saving makes."""


@dataclass(frozen=True)
class Outcome:
    """end: judged, refused (by an error of our own), untyped, crashed or hung. detail: prediction or the error. score: the
    p_fake, twin: that of the undamaged file. destroyed: share of the pixels; None where not compared. told: the result
    speaks of damage."""

    name: str
    end: str
    detail: str = ""
    score: float | None = None
    twin: float | None = None
    destroyed: float | None = None
    told: bool = False
    seconds: float = 0.0
    cpu_s: float = 0.0
    bytes: int = 0

    @property
    def late(self) -> bool:
        return self.cpu_s > MOST_S or self.seconds > 2 * MOST_S


def attack(count: int, seed: int, seconds: float = float("inf"), *, compare: bool = True) -> Iterator[Outcome]:
    """Judge `count` mutants, or as many as `seconds` allow. compare: judge the undamaged files too."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plain").mkdir()
        plain = plain_files(folder / "plain")
        judge, started = _Judge(), time.monotonic()
        try:
            for mutant in mutants(plain, count, seed):
                if time.monotonic() - started > seconds:
                    return
                path = folder / mutant.name
                path.write_bytes(mutant.content)
                yield judge(mutant, path, compare=compare)
                path.unlink()
        finally:
            judge.end()


def judged_alone(path: Path) -> Outcome:
    """What comes of one file in a new process, so that its memory is not hidden behind what others left."""
    judge = _Judge()
    try:
        return judge(Mutant(path.name, path, b""), path, compare=False)
    finally:
        judge.end()


def summary(outcomes: list[Outcome], seed: int) -> str:
    """A table for RESULTS.md."""
    ends = Counter(one.end for one in outcomes)
    cleared = [one for one in outcomes if one.detail == "REAL"]
    moved = [one for one in cleared if one.twin is not None and abs((one.score or 0) - one.twin) > NOISE]
    rows = {
        "files": len(outcomes),
        "judged": ends["judged"],
        "refused with a sentence": ends["refused"],
        "untyped errors, crashes, hangs": f"{ends['untyped']}, {ends['crashed']}, {ends['hung']}",
        "longest": f"{max((one.seconds for one in outcomes), default=0):.1f} s (bound {2 * MOST_S:g})",
        "most processor time": f"{max((one.cpu_s for one in outcomes), default=0):.1f} s (bound {MOST_S:g})",
        "over the bounds of time": sum(one.late for one in outcomes),
        "most memory above the loaded models": f"{max((one.bytes for one in outcomes), default=0) / 1e6:.0f} MB (bound "
        f"{MOST_BYTES / 1e6:.0f})",
        "over the bound of memory": sum(one.bytes > MOST_BYTES for one in outcomes),
        "pictures of which most pixels are destroyed, judged": sum(map(_is_destroyed, outcomes)),
        "of them answered REAL": sum(map(_is_destroyed, cleared)),
        "answered REAL": len(cleared),
        f"of them more than {NOISE} from the undamaged file": len(moved),
        "of these the answer speaks of damage": sum(one.told for one in moved),
    }
    lines = [f"| seed {seed} | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows.items())]
    return "\n".join([machine(), "", *lines])


def failures(outcomes: list[Outcome]) -> list[Outcome]:
    """Those that must not be."""
    return [
        one
        for one in outcomes
        if one.end in ("untyped", "crashed", "hung")
        or one.late
        or one.bytes > MOST_BYTES
        or (one.detail == "REAL" and _is_destroyed(one))
    ]


def _is_destroyed(one: Outcome) -> bool:
    return one.end == "judged" and one.destroyed is not None and one.destroyed > DESTROYED


class _Judge:
    """A process that judges one file after the other, and is replaced when it falls or hangs."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()  # the models are loaded

    def __call__(self, mutant: Mutant, path: Path, *, compare: bool) -> Outcome:
        started = time.monotonic()
        self._pipe.send((str(path), str(mutant.twin) if compare else None))
        end = "hung"
        if self._pipe.poll(4 * MOST_S):
            try:
                return Outcome(mutant.name, **self._pipe.recv())
            except EOFError:
                end = "crashed"
        self.end()
        self._start()
        return Outcome(mutant.name, end, seconds=time.monotonic() - started)

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def _work(pipe: Connection) -> None:
    """Judge what comes through the pipe."""
    from drishtiksha.errors import DrishtikshaError
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.media.image import read_image
    from drishtiksha.registry import ModelManager
    from drishtiksha.results import MediaKind
    from drishtiksha.settings import MediaLimits, load_settings

    limits, manager = MediaLimits(analysis_s=ANALYSIS_S), ModelManager(load_settings(device="cpu"))
    models = {MediaKind.AUDIO: manager.get_model(VOICE)}
    models[MediaKind.IMAGE] = models[MediaKind.VIDEO] = manager.get_model(FACES)
    twins: dict[str | None, tuple[float | None, Any]] = {}
    pipe.send("ready")

    def judged(path: Path) -> tuple[Any, Any]:
        from drishtiksha.analysis import analyze
        from drishtiksha.provenance import examine

        evidence = Evidence.open(path, limits)
        examine(evidence, limits)
        result = analyze(evidence, models[evidence.media.kind], explain=False, limits=limits)
        picture = read_image(path, limits=limits) if evidence.media.kind is MediaKind.IMAGE else None
        return result, picture

    while True:
        name, twin = pipe.recv()
        if twin is None:
            twins[twin] = None, None
        elif twin not in twins:
            plain, pixels = judged(Path(twin))
            twins[twin] = plain.p_fake, pixels
        begins, cpu, base = time.monotonic(), time.process_time(), reset_peak()
        try:
            result, picture = judged(Path(name))
            said: dict[str, Any] = {
                "end": "judged",
                "detail": result.prediction.value,
                "score": result.p_fake,
                "twin": twins[twin][0],
                "destroyed": _destroyed(picture, twins[twin][1]),
                "told": bool(result.notes) or result.coverage < 1,
            }
        except DrishtikshaError as error:
            said = {"end": "refused", "detail": type(error).__name__}
        except BaseException as error:  # noqa: BLE001 - what the attack looks for
            said = {"end": "untyped", "detail": repr(error)[:300]}
        took = {"seconds": time.monotonic() - begins, "cpu_s": time.process_time() - cpu}
        pipe.send(said | took | {"bytes": memory("VmHWM") - base})


def _destroyed(picture: Any, twin: Any) -> float | None:
    """Share of the pixels that differ much from those of the twin; None for other kinds and sizes."""
    import numpy as np

    if picture is None or twin is None or picture.shape != twin.shape:
        return None
    return float((np.abs(picture.astype(int) - twin).max(axis=2) > OTHER_LEVELS).mean())


def reset_peak() -> int:
    """Forget the highest memory of this process so far; returns what it has now, bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def memory(field: str) -> int:
    """A line of /proc/self/status, bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--seconds", type=float, default=1200.0, help="begin no more files after so long")
    parser.add_argument("--out", type=Path, help="write every outcome into this file, one JSON a line")
    asked = parser.parse_args()
    outcomes = []
    for one in attack(asked.files, asked.seed, asked.seconds):
        outcomes.append(one)
        if asked.out is not None:
            with asked.out.open("a") as file:
                file.write(json.dumps(asdict(one)) + "\n")
    print(summary(outcomes, asked.seed))
    for one in (bad := failures(outcomes)):
        print(one)
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
