"""Scores as a table for a spreadsheet: a row per model, then a row per sample and a row per face in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from drishtiksha.casefile import CaseFile
from drishtiksha.plaintext import readable
from drishtiksha.results import AnalysisResult, SampleScore

HEADINGS = (
    "row",
    "file",
    "sha256",
    "model",
    "evidence",
    "prediction",
    "grade",
    "p_fake",
    "coverage",
    "gap",
    "sample",
    "time_s",
    "end_s",
    "frame",
    "person",
    "face_x0",
    "face_y0",
    "face_x1",
    "face_y1",
)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
"""A spreadsheet takes a cell that begins so for a formula and runs it."""


def render(case: CaseFile) -> bytes:
    """UTF-8 with a byte order mark, so that Excel reads it as such; an empty cell where nothing is known."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, HEADINGS, lineterminator="\r\n")
    writer.writeheader()
    for result in case.results:
        for row in _rows(result):
            writer.writerow({name: cell(value) for name, value in row.items()})
    return buffer.getvalue().encode("utf-8-sig")


def cell(value: object) -> object:
    """Text that would be a formula gets an apostrophe in front; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    text = readable(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def _rows(result: AnalysisResult) -> Iterator[dict[str, object]]:
    common: dict[str, object] = {
        "file": result.media.name,
        "sha256": result.media.sha256,
        "model": result.model_name,
        "evidence": result.provenance.config.get("evidence", ""),
    }
    yield {
        "row": "model",
        **common,
        "prediction": result.prediction.value,
        "grade": result.grade.value,
        "p_fake": result.p_fake,
        "coverage": result.coverage,
        "gap": result.gap and result.gap.value,
    }
    for score in result.scores:
        place = {"sample": score.index, "time_s": score.time_s, "end_s": score.end_s, "frame": score.frame_index}
        yield {"row": "sample", **common, **place, "p_fake": score.p_fake, "gap": score.gap and score.gap.value}
        yield from ({"row": "face", **common, **place, **face} for face in _faces(score))


def _faces(score: SampleScore) -> Iterator[dict[str, object]]:
    for face in score.faces:
        left, top, right, bottom = (round(value, 1) for value in face.face_box)
        yield {
            "person": face.person,
            "p_fake": face.p_fake,
            "face_x0": left,
            "face_y0": top,
            "face_x1": right,
            "face_y1": bottom,
        }
