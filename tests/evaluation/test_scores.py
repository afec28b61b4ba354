"""scores.csv: opens in a spreadsheet, does nothing there, and is still good when it comes back."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from drishtiksha.evaluation.scores import COLUMNS, NUMBERS, Score, ScoreFile, read_scores, write_scores
from drishtiksha.plaintext import STEERING
from drishtiksha.report.csvfile import FORMULA_STARTS

SCORES = [
    Score(
        "é, 1.png",
        "real",
        "real/png",
        "007",
        "M",
        "image",
        0.123457,
        "REAL",
        1.0,
        "",
        0.3,
        0.7,
        0.25,
        "1234567890123456",
        "ab12",
    ),
    Score(
        "=cmd|calc!A1.png",
        "fake",
        "1/2",
        "'Ada'",
        "M",
        "video",
        0.5,
        "INCONCLUSIVE",
        0.333333,
        "between_thresholds",
        0.3,
        0.7,
        12.5,
        "12e4567890123456",
        "ab12",
    ),
    Score("-1.png", "fake", "", "@x", "M", reason="unreadable", sha256="ff", recipe="ab12"),
    Score(
        "a\u202egpj.exe\x1b[2J", "fake", "\r=1+1", "\\u202e \\u005c \\u1234", "M", reason="unreadable", recipe="ab12"
    ),
    Score("latin \udcff.png", "fake", "\u202e=1", "\\\u2066\\u2066", "M", reason="unreadable", recipe="ab12"),
]


@pytest.fixture
def table(tmp_path) -> Path:
    write_scores(tmp_path / "scores.csv", SCORES)
    return tmp_path / "scores.csv"


def test_it_comes_back_as_it_was(table):
    assert read_scores(table) == SCORES


def test_a_spreadsheet_reads_utf8_and_runs_nothing(table):
    assert table.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"), newline="")))
    assert not STEERING.search(table.read_text(encoding="utf-8-sig")), "nothing steers a terminal or turns what follows"
    texts = [cell for row in rows for name, cell in row.items() if name not in NUMBERS and cell]
    assert not [cell for cell in texts if cell.startswith(FORMULA_STARTS)]
    assert not [cell for cell in texts if cell.replace(".", "").isdigit()], "they would come back as other numbers"


def rows(table: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.read_text(encoding="utf-8-sig"), newline="")))


def written(cells: list[list[str]], **form: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n", **form).writerows(cells)  # type: ignore[arg-type]
    return text.getvalue()


def german(table: Path) -> bytes:
    places = [COLUMNS.index(name) for name in NUMBERS]
    cells = [
        [cell.replace(".", ",") if at in places and line else cell for at, cell in enumerate(row)]
        for line, row in enumerate(rows(table))
    ]
    return written(cells, delimiter=";").encode("cp1252")


def in_one_column(table: Path) -> bytes:
    """As a German Excel saves a table separated by commas that was opened with a double click."""
    lines = table.read_text(encoding="utf-8-sig").splitlines()
    return written([[line] for line in lines], delimiter=";").encode("cp1252")


def unicode_text(table: Path) -> bytes:
    return written(rows(table), delimiter="\t").encode("utf-16")


def all_quoted(table: Path) -> bytes:
    return written([[*row, "", ""] for row in rows(table)], quoting=csv.QUOTE_ALL).encode("utf-8-sig")  # type: ignore[arg-type]


def of_version_0_2(table: Path) -> bytes:
    return table.read_text(encoding="utf-8-sig").encode()


@pytest.mark.parametrize("saved", [german, in_one_column, unicode_text, all_quoted, of_version_0_2])
def test_saved_by_a_spreadsheet_it_is_still_resumed_from(table, saved: Callable[[Path], bytes]):
    whole = table.read_bytes()
    table.write_bytes(saved(table))
    kept = ScoreFile(table)
    assert [kept.of(score.file, score.model) for score in SCORES] == SCORES
    assert table.read_bytes() == whole, "and written anew in the form of before"


def test_a_number_that_was_spoilt_is_scored_again_and_the_others_are_not(table):
    table.write_text(table.read_text(encoding="utf-8-sig").replace("0.123457", "01. Feb"))
    kept = ScoreFile(table)
    assert [kept.of(score.file, score.model) for score in SCORES] == [None, *SCORES[1:]]
