"""How long batches of ten thousand to a hundred million clips take, and on what they wait: a simulation of measured parts.

`python -m bench.scale` writes the tables of docs/SCALE.md from bench/scale.json; with `--measure` it measures this machine
and writes that file first, as `make bench` does. `--clips N --nodes N --cores N` and the like simulate another cluster.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import os
import pickle
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measure import ROOT, machine

if TYPE_CHECKING:
    from drishtiksha.batch.judge import Told

FILE = ROOT / "bench" / "scale.json"
PAGE = ROOT / "docs" / "SCALE.md"
BEGIN, END = "<!-- made by python -m bench.scale -->", "<!-- end -->"
BLOCKS = 24
"""Blocks of clips that each worker is given in a simulation: so many events a worker, however many clips there are."""
AT_WORK = 8
"""Clips of a worker that are done again when its node is lost, as `drishtiksha.batch.cluster` hands them out."""
SPREAD = 0.6
"""Sigma of the logarithm of a clip's seconds: archives hold short and long ones. Assumed."""


@dataclass(frozen=True)
class Work:
    """One clip by the models of a batch, measured: processor seconds of all but the forward passes, and of those; bytes to
    fetch; bytes of its rows in Parquet."""

    name: str
    other_s: float
    forward_s: float
    clip_bytes: float
    result_bytes: float

    @property
    def core_s(self) -> float:
        return self.other_s + self.forward_s


@dataclass(frozen=True)
class Measured:
    """start_s: processor seconds until a worker has loaded its models. driver_s: of the command that hands out files and
    writes results, for each clip."""

    machine: str
    start_s: float
    driver_s: float
    works: tuple[Work, ...]

    @classmethod
    def read(cls, path: Path = FILE) -> Measured:
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(**found | {"works": tuple(Work(**work) for work in found["works"])})


@dataclass(frozen=True)
class Cluster:
    """What is not measured here; every default is an assumption to replace by your own figures."""

    nodes: int = 1
    cores: int = field(default=16, metadata={"help": "of a node, as fast as the measured one"})
    gpus: int = field(default=0, metadata={"help": "of a node"})
    files: int = field(default=8, metadata={"help": "judged at once on a GPU; without GPUs there is one a core"})
    speedup: float = field(default=20.0, metadata={"help": "of a forward pass, one GPU against one core"})
    node_bytes: float = field(default=1.25e9, metadata={"help": "bytes a second into a node (10 Gbit/s)"})
    store_bytes: float = field(
        default=5e9, metadata={"help": "bytes a second out of the store, for all nodes together"}
    )
    lost_h: float = field(default=2000.0, metadata={"help": "node hours between the losses of a node"})
    replace_s: float = field(default=300.0, metadata={"help": "until a lost node is replaced"})
    gpu_units: float = field(default=25.0, metadata={"help": "cost units of a GPU hour; that of a core is 1"})

    @property
    def workers(self) -> int:
        """Files that a node judges at once, each on a core of its own."""
        return min(self.cores, self.gpus * self.files) if self.gpus else self.cores

    def units(self, hours: float) -> float:
        return hours * self.nodes * (self.cores + self.gpus * self.gpu_units)


@dataclass(frozen=True)
class Outcome:
    """busy: which share of the time each part worked; the one nearest to 1 is what the batch waits for."""

    hours: float
    units: float
    busy: dict[str, float]
    again: int

    @property
    def bottleneck(self) -> str:
        return max(self.busy, key=lambda part: self.busy[part])


def bounds(work: Work, measured: Measured, cluster: Cluster, clips: int) -> dict[str, float]:
    """Hours that each part alone would take: no batch is faster than the largest of them."""
    on_gpu = cluster.gpus > 0
    workers = cluster.nodes * cluster.workers
    seconds = {
        "cores": clips * (work.other_s if on_gpu else work.core_s) / workers,
        "node network": clips * work.clip_bytes / (cluster.nodes * cluster.node_bytes),
        "store": clips * work.clip_bytes / cluster.store_bytes,
        "driver": clips * measured.driver_s,
    }
    if on_gpu:
        seconds["GPUs"] = clips * work.forward_s / cluster.speedup / (cluster.nodes * cluster.gpus)
    return {part: value / 3600 for part, value in seconds.items()}


def simulate(work: Work, measured: Measured, cluster: Cluster, clips: int, seed: int = 0) -> Outcome:
    """Workers fetch, judge and hand in blocks of clips until all are done; nodes are lost and replaced meanwhile.

    Lines of one before: the network of each node, the store, each GPU, the driver. A worker fetches a clip and then judges
    it, as those of `drishtiksha batch` do.
    """
    rng = random.Random(seed)
    per_node, gpus = cluster.workers, max(cluster.gpus, 1)
    size = max(1, math.ceil(clips / (cluster.nodes * per_node * BLOCKS)))
    network, gpu = [0.0] * cluster.nodes, [[0.0] * gpus for _ in range(cluster.nodes)]
    lost = [rng.expovariate(1 / (cluster.lost_h * 3600)) for _ in range(cluster.nodes)]
    store = driver = end = 0.0
    busy = dict.fromkeys(bounds(work, measured, cluster, clips), 0.0)
    again, left = 0, clips
    workers = [(measured.start_s, node, number) for node in range(cluster.nodes) for number in range(per_node)]
    heapq.heapify(workers)
    while left:
        now, node, number = heapq.heappop(workers)
        some = min(size, left)
        if now > lost[node]:
            lost[node] = now + cluster.replace_s + rng.expovariate(1 / (cluster.lost_h * 3600))
            repeated = min(AT_WORK, some) * per_node
            again, left = again + repeated, left + repeated
            now += cluster.replace_s + measured.start_s
        left -= some
        load = some * work.clip_bytes
        network[node] = max(now, network[node]) + load / cluster.node_bytes
        store = max(now, store) + load / cluster.store_bytes
        busy["node network"] += load / cluster.node_bytes / cluster.nodes
        busy["store"] += load / cluster.store_bytes
        ready = max(network[node], store)
        lengths = rng.lognormvariate(-(SPREAD**2) / some / 2, SPREAD / math.sqrt(some))
        core_s = some * lengths * (work.other_s if cluster.gpus else work.core_s)
        busy["cores"] += core_s / (cluster.nodes * per_node)
        done = ready + core_s
        if cluster.gpus:
            forward_s = some * lengths * work.forward_s / cluster.speedup
            line = gpu[node]
            line[number % gpus] = done = max(done, line[number % gpus]) + forward_s
            busy["GPUs"] += forward_s / (cluster.nodes * gpus)
        heapq.heappush(workers, (done, node, number))
        driver = max(driver, done) + some * measured.driver_s
        busy["driver"] += some * measured.driver_s
        end = max(end, driver)
    hours = end / 3600
    return Outcome(hours, cluster.units(hours), {part: seconds / end for part, seconds in busy.items()}, again)


# --- measuring -------------------------------------------------------------------------------------------------------

WORKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "a clip of 10 s, 360p: faces": ("stage_360p.mp4", ("FACE-BLEND-LITE-V1",)),
    "the same: voice": ("stage_360p.mp4", ("VOICE-SPOOF-LITE-V2",)),
    "the same: faces and voice": ("stage_360p.mp4", ("FACE-BLEND-LITE-V1", "VOICE-SPOOF-LITE-V2")),
    "a clip of 4 s, 1080p: faces": ("street_faces_1080p.mp4", ("FACE-BLEND-LITE-V1",)),
    "a picture: faces": ("portrait.jpg", ("FACE-BLEND-LITE-V1",)),
}
CLIPS = ROOT.parent / "shared" / "data" / "clips"
ROWS = 2000
"""Results that are written to measure the driver."""


def measure(repeats: int) -> Measured:
    """Each kind of work in a process of its own that computes with one thread."""
    found = [_in_own_process(name, repeats) for name in WORKS]
    return Measured(
        machine(),
        statistics.median(one["start_s"] for one in found),
        statistics.median(one["driver_s"] for one in found),
        tuple(Work(name, **one["work"]) for name, one in zip(WORKS, found, strict=True)),
    )


def _in_own_process(name: str, repeats: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.scale", "--one", name, "--repeats", str(repeats)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _one(name: str, repeats: int) -> dict[str, Any]:
    """Of this process: processor seconds, which other programs on the machine do not change."""
    from drishtiksha.batch.items import Item
    from drishtiksha.batch.judge import Job, Judge, Told
    from drishtiksha.batch.parts import ResultFolder
    from drishtiksha.batch.run import run_batch
    from drishtiksha.results import AnalysisResult
    from drishtiksha.settings import load_settings

    file, models = WORKS[name]
    clip = next(path for path in (CLIPS / file, ROOT / "assets" / file) if path.is_file())
    settings = load_settings(device="cpu")
    judge = Judge(Job(settings, models))
    start_s = time.process_time()
    item, told, spent = Item(file, str(clip)), list[Told](), []
    for number in range(repeats + 1):
        told.clear()
        began = time.process_time()
        judge.judge(item, models, told.append, lambda _: models)
        if number:
            spent.append(time.process_time() - began)
    results = [AnalysisResult.model_validate_json(one.row.result or "") for one in told if one.row is not None]
    forward = sum(result.stage_seconds.get("forward", 0.0) for result in results)
    wall = max(sum(result.processing_time for result in results), forward)
    seconds = statistics.median(spent)

    rng = random.Random(0)
    packed = [pickle.dumps([_varied(one, number, rng) for one in told]) for number in range(ROWS)]

    class Given:
        """An engine that judged everything before: answers come as they do out of a worker's pipe."""

        def run(self, job: Job, items: Any, take: Any) -> None:
            for answers in packed:
                for one in pickle.loads(answers):
                    take(one)

    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        run_batch((), models, settings, Given(), ResultFolder(Path(folder)), lambda *_: None)
        driver_s = (time.process_time() - began) / ROWS
        written = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet")) / ROWS
    work = {
        "other_s": seconds * (1 - forward / wall),
        "forward_s": seconds * forward / wall,
        "clip_bytes": clip.stat().st_size,
        "result_bytes": written,
    }
    return {"start_s": start_s, "driver_s": driver_s, "work": work}


def _varied(told: Told, number: int, rng: random.Random) -> Told:
    """The same answer about another file: numbers with other digits behind the point, which compress as those of real ones."""

    def other(text: str) -> str:
        return re.sub(r"(?<=\d\.)\d+", lambda digits: f"{rng.random():.17f}"[2 : 2 + len(digits[0])], text)

    assert told.row is not None
    sha256 = f"{rng.getrandbits(256):064x}"
    row = replace(
        told.row, name=f"clips/{number:09}.mp4", sha256=sha256, p_fake=rng.random(), result=other(told.row.result or "")
    )
    return replace(told, row=row, samples=json.loads(other(json.dumps(list(told.samples)))))


# --- tables ----------------------------------------------------------------------------------------------------------

SIZES = {10_000: 1, 1_000_000: 16, 100_000_000: 256}
"""Nodes by clips."""
KINDS: dict[str, dict[str, int]] = {
    "16 cores": {},
    "1 GPU, 1 file at once": {"gpus": 1, "files": 1},
    "1 GPU": {"gpus": 1},
}
HEAVY = 30.0
"""Forward seconds a clip of a large network on one core, for the rows that say what a GPU is for. Assumed."""


def tables(measured: Measured) -> str:
    """What was measured, and what follows from it, as Markdown."""
    first = [
        "| one clip, one core | decoding, faces and the rest | forward | bytes to fetch | bytes of results |",
        "|---|--:|--:|--:|--:|",
        *(
            f"| {work.name} | {work.other_s:.2f} s | {work.forward_s:.2f} s | {_bytes(work.clip_bytes)} | {_bytes(work.result_bytes)} |"
            for work in measured.works
        ),
    ]
    middle = next(work for work in measured.works if "and" in work.name)
    large = replace(middle, name="the same, with a large network", forward_s=middle.forward_s + HEAVY)
    rows = [
        "| clips | work | nodes | hours | cost units | waits for | busy: cores, GPUs, network, store, driver | results |",
        "|--:|---|---|--:|--:|---|---|--:|",
    ]
    for clips, nodes in SIZES.items():
        for work in (middle, large):
            for kind, extra in KINDS.items():
                cluster = Cluster(nodes=nodes, **extra)
                rows.append(_row(work, measured, cluster, clips, kind))
    return "\n".join([*first, "", *rows])


def renew(repeats: int | None = None) -> str:
    """Write the tables into the page, measured anew where `repeats` says how often, and return them."""
    if repeats is not None:
        FILE.write_text(json.dumps(asdict(measure(repeats)), indent=1) + "\n", encoding="utf-8")
    told = tables(Measured.read())
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n\n{told}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return told


def _row(work: Work, measured: Measured, cluster: Cluster, clips: int, kind: str) -> str:
    found = simulate(work, measured, cluster, clips)
    parts = ("cores", "GPUs", "node network", "store", "driver")
    busy = ", ".join(f"{found.busy[part]:.0%}".replace("%", " %") if part in found.busy else "-" for part in parts)
    return (
        f"| {clips:,} | {work.name} | {cluster.nodes} x {kind} | {found.hours:.3g} | {found.units:,.0f} | "
        f"{found.bottleneck} | {busy} | {_bytes(clips * work.result_bytes)} |"
    )


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure this machine first")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clips", type=int, help="simulate so many instead of writing the tables")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    for one in fields(Cluster):
        parser.add_argument(f"--{one.name}", type=type(one.default), help=one.metadata.get("help"), default=one.default)
    given = parser.parse_args(arguments)
    if given.one:
        print(json.dumps(_one(given.one, given.repeats)))
        return
    if given.clips is None:
        print(renew(given.repeats if given.measure else None))
        return
    measured = Measured.read()
    cluster = Cluster(**{one.name: getattr(given, one.name) for one in fields(Cluster)})
    for work in measured.works:
        print(work.name, simulate(work, measured, cluster, given.clips), bounds(work, measured, cluster, given.clips))


if __name__ == "__main__":
    main()
