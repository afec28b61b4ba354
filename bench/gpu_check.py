"""`make gpu-check`: every detector with stand-in weights on the CPU and on the accelerator of this machine.

Prints a table and writes JSON beside it: the largest difference of p_fake between the devices, the numbers computed in, the
first and the second call, samples a second, the batch that free memory is found to bear, peak memory, and wall time over
(decode + faces + forward). On a machine without an accelerator the CPU is held against itself, with small networks, and the
columns of the device stay empty: so the script itself can be tried anywhere.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import ROOT, machine
from drishtiksha.analysis import analyze
from drishtiksha.detectors.device import has_bfloat16, resolve_device
from drishtiksha.detectors.discovery import discover
from drishtiksha.detectors.trial import shortened
from drishtiksha.errors import DrishtikshaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.results import AnalysisResult
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from drishtiksha.detectors.base import Detector

BOUND, BOUND_FLOAT32 = 0.01, 1e-3
"""How far p_fake may differ between devices: with bfloat16, and in float32."""


@dataclass(frozen=True)
class Row:
    """What was measured of one detector. difference: of p_fake, the largest of all samples; seconds of whole analyses."""

    detector: str
    dtype: str = ""
    difference: float | None = None
    first_s: float | None = None
    second_s: float | None = None
    cpu_s: float | None = None
    samples_per_s: float | None = None
    batch: int | None = None
    peak_mib: float | None = None
    wall_over_parts: float | None = None
    fault: str = ""

    @property
    def within(self) -> bool:
        bound = BOUND_FLOAT32 if self.dtype == "float32" else BOUND
        return not self.fault and self.difference is not None and self.difference <= bound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:N, mps or cpu")
    parser.add_argument("--seconds", type=float, default=450.0, help="detectors that are not reached by then are named")
    parser.add_argument("--only", default="", help="a part of a detector's class name")
    parser.add_argument("--small", action="store_true", help="small networks also on an accelerator")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"))
    given = parser.parse_args()
    if not given.out.parent.is_dir() or given.out.is_dir():
        parser.error(f"{given.out}: --out takes the name of a file in a folder that is there")
    device = str(resolve_device(given.device))
    rows = list(check(device, given.seconds, given.only, small=given.small or device == "cpu"))
    print(table(device, rows))
    facts = {"machine": about(device), "device": device, "rows": [asdict(row) for row in rows]}
    given.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    sys.exit(not all(row.within or row.fault.startswith(("skipped", "not reached")) for row in rows))


def check(device: str, seconds: float, only: str, *, small: bool) -> Iterator[Row]:
    """A row for each detector class, those not reached in time too."""
    sys.path.insert(0, str(ROOT / "tests"))
    end = time.monotonic() + seconds
    for name, cls in sorted(discover().items()):
        if only not in name:
            continue
        if time.monotonic() > end:
            yield Row(name, fault=f"not reached within {seconds:.0f} s")
            continue
        try:
            row = measured(name, cls, device, small=small)
        except DrishtikshaError as error:
            row = Row(name, fault=str(error))
        except (RuntimeError, ValueError, KeyError) as error:
            row = Row(name, fault=f"{type(error).__name__}: {error}"[:200])
        print(line(row), file=sys.stderr, flush=True)
        yield row


def measured(name: str, cls: type[Detector], device: str, *, small: bool) -> Row:
    """One detector, on the CPU and on `device`."""
    import torch
    from detector_kit import configured
    from stand_ins import stand_in

    takes = configured(cls)
    with tempfile.TemporaryDirectory() as folder:
        common = {"class_name": name, "description": "", **takes, **stand_in(cls, Path(folder), small=small)}
        evidence = Evidence.open(_example(takes), MediaLimits())
        on_cpu = shortened(cls(cls.Config(**common, device="cpu")).load())
        start = time.perf_counter()
        reference = analyze(evidence, on_cpu, explain=False)
        cpu_s = time.perf_counter() - start
        there = shortened(cls(cls.Config(**common, device=device)).load())
    where = torch.device(device)
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where)
    start = time.perf_counter()
    analyze(evidence, there, explain=False)
    first_s = time.perf_counter() - start
    start = time.perf_counter()
    result = analyze(evidence, there, explain=False)
    second_s = time.perf_counter() - start
    judged = sum(score.p_fake is not None for score in result.scores)
    parts = sum(result.stage_seconds.get(stage, 0.0) for stage in ("decode", "faces", "forward"))
    row = Row(
        name,
        dtype=str(there.run_facts()["dtype"]),
        difference=difference(reference, result),
        first_s=first_s,
        second_s=second_s,
        cpu_s=cpu_s,
        samples_per_s=judged / result.stage_seconds["forward"] if result.stage_seconds.get("forward") else None,
        batch=there.batch_size_after(1) if where.type == "cuda" else None,
        peak_mib=torch.cuda.max_memory_allocated(where) / 2**20 if where.type == "cuda" else None,
        wall_over_parts=second_s / parts if parts else None,
    )
    del on_cpu, there
    gc.collect()
    return row


def difference(reference: AnalysisResult, result: AnalysisResult) -> float:
    """The largest difference of p_fake of all samples, and of what they measure where they are no scores.

    Raises: ValueError when other samples were judged.
    """
    found = [0.0]
    for one, other in zip(reference.scores, result.scores, strict=True):
        if (one.p_fake is None) != (other.p_fake is None):
            raise ValueError(f"sample {one.index} was judged on one device only")
        if one.p_fake is not None and other.p_fake is not None:
            found.append(abs(one.p_fake - other.p_fake))
    return max(found)


def _example(takes: dict[str, bool]) -> Path:
    if takes["isMultiModal"] or takes["isAudio"]:
        return ROOT / "assets" / "clip_with_sound.mp4"
    return ROOT / "assets" / ("clip_silent.mp4" if takes["isVideo"] else "portrait.jpg")


def about(device: str) -> str:
    """The machine in a line, with its accelerator."""
    import torch

    where = torch.device(device)
    if where.type != "cuda":
        return f"{machine()}; device {device}, torch {torch.__version__}, {platform.system()}"
    facts = torch.cuda.get_device_properties(where)
    bfloat16 = "bfloat16" if has_bfloat16(where) else "no bfloat16"
    name = machine().replace("no GPU used", f"{facts.name} with {facts.total_memory / 2**30:.0f} GiB, {bfloat16}")
    return f"{name}, torch {torch.__version__}"


def table(device: str, rows: list[Row]) -> str:
    """Markdown, with the verdict on each row."""
    against = device if device != "cpu" else "cpu (no accelerator here: the CPU against itself, with small networks)"
    head = (
        f"{about(device)}. The CPU against {against}; stand-in weights, examples of assets/, few samples.\n\n"
        "| detector | dtype | largest difference of p_fake | first call | second call | on the CPU | samples/s | batch found | "
        "peak MiB | wall / (decode + faces + forward) | |\n|" + "---|" * 11
    )
    return "\n".join([head, *map(line, rows)])


def line(row: Row) -> str:
    def shown(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    verdict = row.fault or ("ok" if row.within else "**differs**")
    cells = [
        row.detector,
        row.dtype or "-",
        shown(row.difference, ".1e"),
        shown(row.first_s, ".2f"),
        shown(row.second_s, ".2f"),
    ]
    cells += [
        shown(row.cpu_s, ".2f"),
        shown(row.samples_per_s, ".1f"),
        shown(row.batch, "d"),
        shown(row.peak_mib, ".0f"),
    ]
    return "| " + " | ".join([*cells, shown(row.wall_over_parts, ".2f"), verdict]) + " |"


if __name__ == "__main__":
    main()
