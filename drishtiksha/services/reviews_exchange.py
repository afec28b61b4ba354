"""Reviews as CSV and JSONL, out of one store and into another. What goes out comes back the same.

A file of reviews says which file a word is about (case id and SHA-256), so that it can be taken in where the same file
has another case. Taking in only ever adds; what is there already is left alone.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from drishtiksha.casefile import CaseFile, Confidence, HumanVerdict, PinnedNote, Review, Viewer
from drishtiksha.errors import CaseGoneError, ReviewFileError
from drishtiksha.plaintext import readable_json
from drishtiksha.report.csvfile import FORMULA_STARTS
from drishtiksha.services.workbench import Workbench
from drishtiksha.store.db import Store
from drishtiksha.store.reviews import reviews_of
from drishtiksha.store.tables import CaseRow, ReviewRow
from drishtiksha.store.values import CASE_GONE, storable, to_json

Format = Literal["csv", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl")
MAX_BYTES = 64_000_000
MAX_TOLD = 20
"""Lines that an error names; a file of the wrong kind is wrong in all of them."""
ALL_CASES = 1_000_000


class ReviewLine(BaseModel):
    """One review as it stands in a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    case_id: str = ""
    sha256: str = ""
    file: str = ""
    reviewer: str = Field(max_length=200)
    verdict: HumanVerdict
    confidence: Confidence
    tags: tuple[str, ...] = ()
    notes: tuple[PinnedNote, ...] = ()
    made_utc: str

    @field_validator("made_utc")
    @classmethod
    def _in_utc(cls, text: str) -> str:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("the time has no time zone: wanted such as 2026-11-25T09:30:00.000+00:00")
        return moment.astimezone(UTC).isoformat(timespec="milliseconds")

    @field_validator("reviewer")
    @classmethod
    def _storable(cls, text: str) -> str:
        if storable(text) != text:
            raise ValueError("it holds characters that no database takes")
        return text

    @property
    def made(self) -> float:
        """Seconds since 1970 UTC."""
        return datetime.fromisoformat(self.made_utc).timestamp()

    @classmethod
    def of(cls, case: CaseFile, review: Review) -> ReviewLine:
        said = review.model_dump(exclude={"review_id"})
        return cls(**said, sha256=case.media.sha256, file=case.media.name)


HEADINGS = tuple(ReviewLine.model_fields)
NESTED = ("tags", "notes")
"""Cells that hold JSON: a list keeps its borders whatever is in it."""


class Imported(BaseModel):
    """What taking in a file did."""

    model_config = ConfigDict(frozen=True)

    added: int
    known: int = Field(description="reviews of the file that were here already")


def export_reviews(cases: Iterable[CaseFile], form: Format) -> bytes:
    """All reviews of these cases, oldest first. CSV has a byte order mark, so that spreadsheets read it as UTF-8."""
    lines = [ReviewLine.of(case, review) for case in cases for review in case.reviews]
    rows = [line.model_dump(mode="json") for line in sorted(lines, key=lambda line: line.made)]
    if form == "jsonl":
        return "".join(readable_json(json.dumps(row, ensure_ascii=False)) + "\n" for row in rows).encode()
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, HEADINGS, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(name, value) for name, value in row.items()})
    return buffer.getvalue().encode("utf-8-sig")


def read_reviews(data: bytes, form: Format, name: str) -> list[tuple[int, ReviewLine]]:
    """(line of the file, review). `name` is the file's, for messages. Raises: ReviewFileError for any wrong line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReviewFileError(f"{name} is not a text in UTF-8. Save it as “CSV UTF-8”.") from error
    found: list[tuple[int, ReviewLine]] = []
    wrong: list[tuple[int, str]] = []
    rows: Iterator[tuple[int, str | dict[str, str]]] = _csv_rows(text, name) if form == "csv" else _json_rows(text)
    for line, row in rows:
        try:
            found.append((line, ReviewLine.model_validate(_parsed(row))))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            wrong.append((line, f"{place}: {first['msg']}" if place else first["msg"]))
        except (ValueError, RecursionError) as error:
            wrong.append((line, f"it is no JSON: {error}"))
    _refuse(name, wrong)
    return found


def import_reviews(bench: Workbench, path: Path, viewer: Viewer, name: str | None = None) -> Imported:
    """Take in a file that `export_reviews` wrote, all of it or nothing; the ending says which form it has.

    A review goes to the case with its id or, where that is another file or none, to the newest case of the same SHA-256.
    Raises: ReviewFileError, with the lines that are wrong; so it does for a viewer who is no reviewer.
    """
    name = name or path.name
    if not viewer.reviewer:
        raise ReviewFileError("Only reviewers may take in reviews: they are about everybody's cases.")
    form = path.suffix.lower().lstrip(".")
    if form not in FORMATS:
        raise ReviewFileError(f"{name} is neither .csv nor .jsonl, which is what reviews are exported as.")
    if path.stat().st_size > MAX_BYTES:
        raise ReviewFileError(f"{name} is larger than {MAX_BYTES // 1_000_000} MB, the most that is taken in at once.")
    lines = read_reviews(path.read_bytes(), "csv" if form == "csv" else "jsonl", name)
    cases = bench.seen_by(viewer).cases(limit=ALL_CASES)
    placed = _placed(lines, cases, name)
    seen = {_content(case.media.sha256, ReviewLine.of(case, review)) for case in cases for review in case.reviews}
    fresh = {_content(case.media.sha256, line): (case, line) for case, line in placed}
    added = _add(bench.store, [one for content, one in fresh.items() if content not in seen])
    return Imported(added=added, known=len(lines) - added)


def _add(store: Store, fresh: Sequence[tuple[CaseFile, ReviewLine]]) -> int:
    """Add them in the order in which they were made, in one transaction; how many were new. Raises: CaseGoneError."""
    cases = {case.case_id: case for case, _ in fresh}
    added = 0
    with store.write() as session:
        seen = set()
        for case_id in sorted(cases):  # locked in one order, so that two that take in the same file wait for each other
            if session.get(CaseRow, case_id, with_for_update=True) is None:
                raise CaseGoneError(CASE_GONE)
            seen |= {(case_id, _content("", ReviewLine.of(cases[case_id], r))) for r in reviews_of(session, case_id)}
        for case, line in sorted(fresh, key=lambda one: one[1].made):
            if (case.case_id, _content("", line)) not in seen:
                session.add(_review_row(case.case_id, line))
                session.flush()
                added += 1
    return added


def _review_row(case_id: str, line: ReviewLine) -> ReviewRow:
    said = line.model_dump(mode="json")
    return ReviewRow(
        case_id=case_id,
        reviewer=line.reviewer,
        verdict=line.verdict.value,
        confidence=line.confidence.value,
        notes=to_json(said["notes"]),
        tags=to_json(said["tags"]),
        made=line.made,
    )


def _placed(
    lines: Sequence[tuple[int, ReviewLine]], cases: Sequence[CaseFile], name: str
) -> list[tuple[CaseFile, ReviewLine]]:
    by_id = {case.case_id: case for case in cases}
    by_hash: dict[str, CaseFile] = {}
    for known in cases:  # newest first
        by_hash.setdefault(known.media.sha256, known)
    placed: list[tuple[CaseFile, ReviewLine]] = []
    wrong: list[tuple[int, str]] = []
    for number, line in lines:
        case = by_id.get(line.case_id)
        if case is None or line.sha256 not in ("", case.media.sha256):
            case = by_hash.get(line.sha256)
        if case is None:
            wrong.append((number, f"no case here has this id or this SHA-256 ({line.file or 'no file name'})"))
        else:
            placed.append((case, line))
    _refuse(name, wrong)
    return placed


def _content(sha256: str, line: ReviewLine) -> str:
    """The same for two reviews that say the same of the same file at the same moment."""
    return sha256 + line.model_dump_json(exclude={"case_id", "sha256", "file"})


def _refuse(name: str, wrong: Sequence[tuple[int, str]]) -> None:
    if not wrong:
        return
    told = "\n".join(f"Line {number}: {why}." for number, why in wrong[:MAX_TOLD])
    more = f"\nAnd {len(wrong) - MAX_TOLD} more." if len(wrong) > MAX_TOLD else ""
    raise ReviewFileError(
        f"{name} was not taken in; nothing was added.\n{told}{more}", lines=tuple(number for number, _ in wrong)
    )


def _cell(name: str, value: Any) -> Any:
    if name in NESTED:
        return readable_json(json.dumps(value, ensure_ascii=False))
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def _is_formula(text: str) -> bool:
    """Also of text that has such an apostrophe of its own, so that it can be told from one that was put there."""
    return text.lstrip("' ").startswith(FORMULA_STARTS)


def _parsed(raw: str | dict[str, str]) -> Any:
    """A line of JSON, or the cells of a row. Raises: ValueError for broken JSON."""
    if isinstance(raw, str):
        return json.loads(raw)
    row: dict[str, Any] = {}
    for heading, cell in raw.items():
        if heading in NESTED:
            row[heading] = json.loads(cell) if cell else []
        else:
            row[heading] = cell[1:] if cell.startswith("'") and _is_formula(cell) else cell
    return row


def _json_rows(text: str) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def _csv_rows(text: str, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line where the row ends, its cells by heading). Raises: ReviewFileError."""
    first = text.split("\n", 1)[0]
    csv.field_size_limit(MAX_BYTES)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",", strict=True)
    try:
        head = reader.fieldnames or []
        if missing := [heading for heading in HEADINGS if heading not in head]:
            raise ReviewFileError(f"{name} is no list of reviews: it lacks {', '.join(missing)}.", lines=(1,))
        for row in reader:
            if None in row:
                _refuse(name, [(reader.line_num, "it has more cells than there are headings")])
            if any(row.values()):
                yield reader.line_num, {heading: cell for heading, cell in row.items() if cell is not None}
    except csv.Error as error:
        _refuse(name, [(reader.line_num, str(error))])
