"""Batches: what a second worker brings, what the engine costs a file, and how fast a large result is summarised.

`python -m bench.batch [--repeats 12] [--files 2000] [--rows 1000000]` prints a table. In `make bench` each measurement runs in a process
of its own; seconds are those of a run after its workers have started.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from bench.measure import ROOT
from drishtiksha.batch.items import Item
from drishtiksha.batch.judge import Job, Told
from drishtiksha.batch.local import Crew
from drishtiksha.batch.machine import peak_bytes
from drishtiksha.batch.parts import RESULTS, SCORES, PartWriter, ResultFolder, arrow, schema
from drishtiksha.batch.summary import summary
from drishtiksha.settings import load_settings

FILES, ROWS = 20_000, 1_000_000
SETS = {
    "decode-bound: pictures and clips, FACE-BLEND-LITE-V1": (
        "FACE-BLEND-LITE-V1",
        ("clip_silent.mp4", "portrait.jpg"),
        1,
    ),
    "network-bound: sound, VOICE-SPOOF-LITE-V2": ("VOICE-SPOOF-LITE-V2", ("clip_with_sound.mp4",), 3),
}
"""Model, files of assets/, and how many times as often these are judged, so that it takes some seconds."""
ROUNDS = 3
HEAD = """## Batches

`drishtiksha batch` with one thread a worker. "Engine": all that one file of 8 x 8 pixels takes beside its examination: the time of
the supervising process for handing it out, taking its answer and writing it, {files} files in a row.

| batch | |
|---|---|"""


def table(repeats: int, files: int = FILES, rows: int = ROWS) -> str:
    """As Markdown. repeats: files of each kind that one and two workers judge."""
    lines = [HEAD.format(files=f"{files:,}")]
    for what, (model, names, times) in SETS.items():
        took = _in_process(ratio=(model, names, repeats * times))
        told = f"{took['one'] / took['two']:.2f} times ({took['one']:.1f} s, {took['two']:.1f} s; other programs took {took['others']:.0%} of the cores)"
        lines.append(f"| {what}: two workers against one | {told} |")
    tiny = _in_process(tiny=files)
    lines.append(f"| engine, a tiny file | {1000 * tiny['cpu'] / files:.2f} ms |")
    lines.append(f"| memory of the supervising process, at its peak | {tiny['peak_mb']:.0f} MB |")
    large = _in_process(large=rows)
    lines.append(f"| {rows:,} rows summarised | {large['wall']:.1f} s, {large['peak_mb']:.0f} MB |")
    return "\n".join(lines)


def ratio(model: str, names: list[str], copies: int) -> dict[str, float]:
    """How many times as fast two workers are as one: wall seconds for as many copies of files of assets/, in turns, while all of
    them have their models loaded."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Crew(Job(load_settings(device="cpu"), (model,)), 1, 1) as one,
        Crew(Job(load_settings(device="cpu"), (model,)), 2, 1) as two,
    ):
        numbers = itertools.count()

        def files(count: int) -> list[Item]:
            return [_copy(ROOT / "assets" / name, Path(folder), next(numbers)) for _ in range(count) for name in names]

        for crew in (one, two):
            while not crew.is_complete:
                crew.work(files(1), _nothing)
            crew.work(files(2), _nothing)
        spent, before = {id(one): 0.0, id(two): 0.0}, _ticks()
        for crew in (one, two) * ROUNDS:
            items = files(copies // ROUNDS)
            began = time.perf_counter()
            crew.work(items, _nothing)
            spent[id(crew)] += time.perf_counter() - began
        total, busy, own = (after - then for after, then in zip(_ticks(), before, strict=True))
        return {"one": spent[id(one)], "two": spent[id(two)], "others": (busy - own) / total}


def _ticks() -> tuple[int, int, int]:
    """Of Linux: those of all cores so far, how many of them were busy, and how many with this process and its workers."""
    cores = [int(cell) for cell in Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:9]]
    own = 0
    for pid in ("self", *(child.pid for child in multiprocessing.active_children())):
        cells = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own += int(cells[11]) + int(cells[12])
    return sum(cores), sum(cores) - cores[3] - cores[4], own


def _copy(file: Path, folder: Path, number: int) -> Item:
    """With other bytes, since the same bytes are judged once: empty boxes at the end, which decoders pass over."""
    copy = folder / f"{number}-{file.name}"
    copy.write_bytes(file.read_bytes() + b"\0\0\0\x08free" * (number + 1))
    return Item(copy.name, str(copy))


def tiny(files: int) -> dict[str, float]:
    """Processor seconds of this process for tiny files of which nothing is judged: they are of another kind of media."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "tiny.png")
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
        items: Iterator[Item] = (Item(f"{number}.png", str(picture)) for number in range(files))
        results = ResultFolder(Path(folder, "out"))
        with Crew(Job(load_settings(device="cpu"), ("VOICE-SPOOF-LITE-V1",)), 1, 1) as crew:
            crew.work([Item("first", str(picture))], _nothing)
            began, used = time.perf_counter(), time.process_time()
            with PartWriter(results) as writer:
                crew.work(items, writer.add)
            spent, wall = time.process_time() - used, time.perf_counter() - began
        assert sum(counts.files for counts in summary(results)) == files
    return {"cpu": spent, "wall": wall, "peak_mb": _peak_mb()}


def large(rows: int) -> dict[str, float]:
    """Seconds and memory for the summary of so many rows, with results as long as real ones."""
    with tempfile.TemporaryDirectory() as folder:
        made = [sys.executable, "-m", "bench.batch", json.dumps({"written": [folder, rows]})]
        subprocess.run(made, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # so that its memory does not count
        began = time.perf_counter()
        found = summary(ResultFolder(Path(folder)))
        assert sum(counts.files for counts in found) == rows
        return {"wall": time.perf_counter() - began, "peak_mb": _peak_mb()}


def written(folder: str, rows: int, part: int = 50_000) -> dict[str, float]:
    """Write rows that differ by name, model and score into parts."""
    pa, rng = arrow(), np.random.default_rng(0)
    for table in (RESULTS, SCORES):
        Path(folder, table).mkdir()
    for number, start in enumerate(range(0, rows, part)):
        names = [f"data/clips/{start + n}.mp4" for n in range(min(part, rows - start))]
        content = {
            "name": names,
            "path": names,
            "model": ["FACE-BLEND-LITE-V1"] * len(names),
            "sha256": [rng.bytes(32).hex() for _ in names],
            "recipe": ["0123456789abcdef"] * len(names),
            "prediction": rng.choice(["REAL", "FAKE", "INCONCLUSIVE"], len(names)),
            "p_fake": rng.random(len(names)),
            "seconds": rng.random(len(names)),
            "result": [json.dumps({"scores": list(rng.random(16))}) for _ in names],
        }
        whole = pa.table(
            {
                field.name: pa.array(content.get(field.name, [None] * len(names)), field.type)
                for field in schema(RESULTS)
            }
        )
        name = f"part-{number:08d}.parquet"
        pa.parquet.write_table(schema(SCORES).empty_table(), Path(folder, SCORES, name))
        pa.parquet.write_table(whole, Path(folder, RESULTS, name), compression="zstd", write_page_checksum=True)
    return {}


def _nothing(told: Told) -> None:
    """Nothing is kept."""


def _peak_mb() -> float:
    return peak_bytes() / 1e6


def _in_process(**call: object) -> dict[str, float]:
    """One of the functions of this module in a process of its own."""
    command = [sys.executable, "-m", "bench.batch", json.dumps(call)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


CALLS: dict[str, Callable[..., dict[str, float]]] = {
    "ratio": ratio,
    "tiny": tiny,
    "large": large,
    "written": written,
}


def main() -> None:
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        ((name, given),) = json.loads(sys.argv[1]).items()
        print(json.dumps(CALLS[name](*(given if isinstance(given, list) else [given]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    print(table(given.repeats, given.files, given.rows))


if __name__ == "__main__":
    main()
