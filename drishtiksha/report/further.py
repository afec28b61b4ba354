"""The parts of a report beside the models' own: agreement between them, where the file comes from, stress tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from drishtiksha.casefile import Provenance, StressPoint, StressResult
from drishtiksha.render import words
from drishtiksha.render.palette import LIGHT
from drishtiksha.render.provenance import ordered
from drishtiksha.render.strip import cell_colour
from drishtiksha.report.pieces import Origin, OriginFinding, Picture, StressSection, Table
from drishtiksha.results import AnalysisResult

if TYPE_CHECKING:
    from drishtiksha.comparison import Comparison, Row, StripCell

STRIP_SIZE = (1200, 56)
"""px of the strip of agreement."""


@dataclass(frozen=True)
class Agreement:
    """What several models say together; empty for fewer than two."""

    sentence: str = ""
    table: Table | None = None
    strip: Picture | None = None
    segments: Table | None = None


def agreement(results: Sequence[AnalysisResult]) -> Agreement:
    if len(results) < 2:
        return Agreement()
    from drishtiksha.comparison import compare

    compared = compare(results)
    return Agreement(compared.sentence, _table(compared), _strip(compared.strip), _segments(compared))


def _table(compared: Comparison) -> Table:
    return Table(
        "The detectors side by side",
        ("Detector", "Kind of evidence", "Finding", "Score", "Judged", "Time", "Agrees with the others"),
        tuple(
            (
                row.model_name,
                str(row.evidence),
                words.GRADE_LOOKS[row.grade].title,
                "not scored" if row.p_fake is None else f"{row.p_fake:.2f}",
                words.share(row.coverage),
                words.duration(row.seconds),
                _agrees(row),
            )
            for row in compared.rows
        ),
    )


def _agrees(row: Row) -> str:
    told = "not comparable" if row.agreement is None else words.share(row.agreement)
    return told if row.counted else f"{told}; not counted as evidence"


def _segments(compared: Comparison) -> Table | None:
    if not compared.segments:
        return None
    return Table(
        "Stretches in which at least two independent kinds of evidence suspect manipulation",
        ("Stretch", "Kinds of evidence", "Detectors"),
        tuple(
            (
                f"{words.fine_clock(segment.start_s)}-{words.fine_clock(segment.end_s)}",
                ", ".join(str(kind) for kind in segment.kinds),
                ", ".join(segment.models),
            )
            for segment in compared.segments
        ),
    )


def _strip(cells: Sequence[StripCell]) -> Picture | None:
    """Agreement over time as a strip: the warmer, the more kinds of evidence suspect this moment."""
    if not cells or cells[-1].end_s <= cells[0].start_s:
        return None
    start, end = cells[0].start_s, cells[-1].end_s
    width, height = STRIP_SIZE
    image = Image.new("RGB", STRIP_SIZE, LIGHT.gap)
    draw = ImageDraw.Draw(image)
    for cell in cells:
        colour = cell_colour(cell, LIGHT)
        if colour is None:
            continue
        left, right = (round((t - start) / (end - start) * width) for t in (cell.start_s, cell.end_s))
        draw.rectangle((left, 0, max(left, right - 1), height), fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    most = max(cells, key=lambda cell: cell.agree)
    where = f"most at {words.fine_clock(most.start_s)}, {words.counted(most.agree, 'kind')}" if most.agree else "none"
    return Picture(
        name="agreement.png",
        data=buffer.getvalue(),
        media_type="image/png",
        width=width,
        height=height,
        alt=f"Strip of agreement from {words.clock(start)} to {words.clock(end)}. Kinds of evidence that suspect: {where}.",
        caption=f"Agreement over time, {words.clock(start)} to {words.clock(end)}: the warmer, the more independent kinds "
        f"of evidence suspect this moment. Darker grey: nothing judged.{'' if most.agree else ' None suspects any moment.'}",
    )


def origin(provenance: Provenance | None) -> Origin | None:
    if provenance is None:
        return None
    return Origin(
        credentials=f"Content Credentials: {provenance.credentials.value}.",
        findings=tuple(
            OriginFinding(f.title, f.detail, f.tells, f.does_not_tell, f.notable) for f in ordered(provenance)
        ),
        fields=tuple(provenance.fields.items()),
    )


def stress_section(stress: StressResult) -> StressSection:
    rows = [("Untouched", *_scored(stress.baseline), ""), *(_point(point) for point in stress.points)]
    table = Table(
        f"{stress.model_name} on changed copies of the file",
        ("Change", "Score", "Finding", "Judged", "Verdict"),
        tuple(rows),
    )
    return StressSection(stress.model_name, stress.sentences, table)


def _point(point: StressPoint) -> tuple[str, ...]:
    return (point.label, *_scored(point), "turns over" if point.flips else "holds")


def _scored(one: AnalysisResult | StressPoint) -> tuple[str, str, str]:
    score = "not scored" if one.p_fake is None else f"{one.p_fake:.2f}"
    return score, words.GRADE_LOOKS[one.grade].title, words.share(one.coverage)
