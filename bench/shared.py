"""Three detectors over one shared decoding, against the same three one after the other.

`python -m bench.shared [--repeats N]` prints a table. It needs ../shared (clips and golden key lists): COLOR-CUES-LSTM-V1 runs
with stand-in weights, which take as long as trained ones.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.measure import alone, timed
from bench.shelf import CLIPS, stand_in
from drishtiksha.analysis import analyze
from drishtiksha.analysis.shared import SharedMedia
from drishtiksha.contract import Detector
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult
from drishtiksha.settings import load_settings

SHIPPED = ("FACE-BLEND-LITE-V1", "VOICE-SPOOF-LITE-V1")
STAND_IN = "COLOR-CUES-LSTM-V1"
HEAD = """## Several detectors on one file

{models}, without heatmaps; weights are loaded before. Seconds of wall and of processor; "decode" and "faces": what the three
wait for in all.

| clip | one after the other | processor | decode | faces | shared | processor | decode | faces |
|---|---|---|---|---|---|---|---|---|"""


def table(repeats: int) -> str:
    """A row a clip, as Markdown."""
    manager = ModelManager(load_settings(device="cpu"))
    shipped = [manager.load_model(name) for name in SHIPPED]
    with stand_in(STAND_IN, {}) as detector:
        detectors = [*shipped, detector]
        rows = [row(clip, detectors, repeats) for clip in sorted(CLIPS.glob("*.mp4"))]
    return "\n".join([HEAD.format(models=", ".join((*SHIPPED, STAND_IN))), *rows])


def row(clip: Path, detectors: Sequence[Detector], repeats: int) -> str:
    evidence = Evidence.open(clip, load_settings().limits)
    cells = [
        _measured(partial(work, evidence, detectors), repeats) for work in (one_after_the_other, over_one_decoding)
    ]
    return f"| {clip.name} | {cells[0]} | {cells[1]} |"


def one_after_the_other(evidence: Evidence, detectors: Sequence[Detector]) -> list[AnalysisResult]:
    return [analyze(evidence, detector, explain=False) for detector in detectors]


def over_one_decoding(evidence: Evidence, detectors: Sequence[Detector]) -> list[AnalysisResult]:
    with SharedMedia(evidence, load_settings().limits) as shared:
        shared.prepare([detector.sampling(evidence.media) for detector in detectors])
        return [analyze(evidence, detector, explain=False, shared=shared) for detector in detectors]


def _measured(work: Callable[[], list[AnalysisResult]], repeats: int) -> str:
    """Wall, processor and the two stages as cells of the table; medians, after one run that does not count."""
    work()
    rows: list[tuple[float, ...]] = []
    for _ in range(repeats):
        results, *spent = timed(work)
        stages = [sum(result.stage_seconds.get(stage, 0.0) for result in results) for stage in ("decode", "faces")]
        rows.append((*spent, *stages))
    return " | ".join(f"{statistics.median(column):.2f}" for column in zip(*rows, strict=True))


if __name__ == "__main__":
    alone(table, __doc__)
