"""CSV as spreadsheets write it, and cells that they leave as they are."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence

from drishtiksha.errors import ManifestError
from drishtiksha.plaintext import escaped, unescaped
from drishtiksha.report.csvfile import FORMULA_STARTS

SEPARATORS = ",;\t"
SAVE_AS = "In Excel choose “CSV UTF-8” under “Save as”."
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
NUMBER_LIKE = re.compile(r"[\d\s.,:/+%-]*\d[\d\s.,:/+%-]*(?:[eE][+-]?\d+)?|(?i:true|false)")
"""Text that a spreadsheet takes for a number, a date or a truth value and writes back in another form."""
SEPARATOR_LINE = re.compile(r"""\ufeff?"?sep=(.)"?\r?\n""")


def text_of(data: bytes, name: str) -> str:
    """The text of a CSV file: UTF-8, UTF-16 with or without a byte order mark, else Windows-1252, as Excel writes them.

    Raises: ManifestError for what is no text.
    """
    if data.startswith(WORKBOOKS):
        raise ManifestError(f"{name} is a workbook of a spreadsheet, not a CSV file. {SAVE_AS}")
    encoding = _encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        told = {"cp1252": "neither UTF-8 nor Windows-1252"}.get(encoding, f"damaged {encoding.upper()}")
        raise ManifestError(f"{name} cannot be read as a text: it is {told}. Wanted: UTF-8. {SAVE_AS}") from error


def _encoding(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in data[:2]:
        return "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def rows_of(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row, the first with the headings; separated by comma, semicolon or tab, whichever the first row
    has most of. Empty rows and empty cells beyond the headings are left out."""
    stated = SEPARATOR_LINE.match(text)
    if stated:
        text = text[stated.end() :]
    first = text.partition("\n")[0]
    separator = stated[1] if stated else max(SEPARATORS, key=first.count)
    width = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    for cells in reader:
        line = reader.line_num + bool(stated)
        if len(cells) == 1 and any(sign in cells[0] for sign in SEPARATORS):
            # Separated by commas and opened where a semicolon is usual: the row became one cell.
            cells = next(csv.reader([cells[0]]))
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        width = width or len(cells)
        if any(cell.strip() for cell in cells):
            yield line, cells


def headings(cells: Sequence[str]) -> list[str]:
    """Column names as they are looked up: in lower case, without blanks."""
    return [cell.strip().lower() for cell in cells]


def guarded(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would run it as a formula or change it, and with escapes in place
    of what steers a terminal or turns the direction of text."""
    text = escaped(text)
    risky = text.startswith("'") or text.lstrip(" ").startswith(FORMULA_STARTS) or NUMBER_LIKE.fullmatch(text)
    return f"'{text}" if risky else text


def unguarded(cell: str) -> str:
    """The text that `guarded` was given. A cell that a spreadsheet wrote anew stands for itself."""
    text = unescaped(cell.removeprefix("'"))
    return text if guarded(text) == cell else unescaped(cell)


def number(cell: str) -> float | None:
    """None for an empty cell; a decimal comma is taken as well. Raises: ValueError."""
    text = cell.strip().removeprefix("'")
    return float(text.replace(",", ".")) if text else None
