"""Characters that steer a terminal or turn the direction of text reach no terminal, no export and no page."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
import sample_case
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel
from pypdf import PdfReader

from drishtiksha.casefile import CaseFile, PinnedNote
from drishtiksha.cli.console import console_json
from drishtiksha.plaintext import STEERING, readable
from drishtiksha.render.console import PlainConsole
from drishtiksha.report import bundle, csvfile, html, jsonfile
from drishtiksha.report.content import build
from drishtiksha.report.verify import State, verify
from drishtiksha.services.reviews_exchange import export_reviews, read_reviews

EVIL = "a\x1b]0;owned\x07\x1b[2Jb\u202egpj.exe\u2066c\x9b31m\u061c"
BULLET = "\x7f"
"""The code of ReportLab's font for it."""
HONEST = "مرحبا \u200fשלום\u200e क्\u200dष 👨\u200d👩\u200d👧 naïve\tend\nline"


def test_scripts_and_emoji_stay_as_they_are() -> None:
    assert readable(HONEST) == HONEST
    assert readable("one\r\ntwo") == "one\ntwo"
    assert not STEERING.search(readable(EVIL))
    assert "gpj.exe" in readable(EVIL)


@pytest.mark.parametrize("markup", [True, False])
def test_nothing_that_is_printed_steers_the_terminal(markup: bool) -> None:
    shown = io.StringIO()
    terminal = PlainConsole(file=shown, force_terminal=True, width=200)
    terminal.print(f"[bold]{EVIL.replace('[', '(')}[/bold]" if markup else EVIL, markup=markup, highlight=False)
    told = shown.getvalue()
    for bold in ("\x1b[1m", "\x1b[0m"):
        told = told.replace(bold, "")  # rich's own
    assert "gpj.exe" in told
    assert not STEERING.search(told)


def test_json_means_the_same_and_holds_none() -> None:
    class Said(BaseModel):
        text: str

    for document in (Said(text=EVIL), {"text": EVIL}):
        shown = console_json(document)
        assert not STEERING.search(shown)
        assert json.loads(shown) == {"text": EVIL}


@pytest.fixture(scope="module")
def case() -> CaseFile:
    """A case whose reviewer, remark and tag hold what steers, and whose model and file do."""
    whole = sample_case.case()
    said = whole.reviews[0].model_dump(mode="json")
    said |= {"reviewer": EVIL, "tags": [EVIL, "=1+1"], "notes": [{"text": EVIL}]}
    return CaseFile.model_validate(whole.model_dump(mode="json") | {"reviews": [said]})


def test_what_people_write_is_made_readable_where_it_comes_in(case: CaseFile) -> None:
    assert PinnedNote(text=EVIL).text == readable(EVIL)
    assert case.reviews[0].reviewer == case.reviews[0].tags[0] == readable(EVIL)


@pytest.fixture(scope="module")
def evil(case: CaseFile) -> CaseFile:
    """The same, of a file whose name holds them, too."""
    media = case.media.model_copy(update={"name": EVIL})
    results = tuple(one.model_copy(update={"media": media}) for one in case.results)
    return case.model_copy(update={"media": media, "results": results})


@pytest.mark.parametrize("suffix", [".html", ".json", ".csv"])
def test_no_export_of_a_case_holds_them(evil: CaseFile, suffix: str) -> None:
    made = {
        ".html": lambda: html.render(build(evil)),
        ".json": lambda: jsonfile.render(evil),
        ".csv": lambda: csvfile.render(evil),
    }
    text = made[suffix]().decode("utf-8-sig").replace("\r\n", "\n")
    assert not STEERING.search(text)
    if suffix == ".json":
        assert json.loads(text)["media"]["name"] == EVIL


def test_no_file_of_a_bundle_holds_them(evil: CaseFile, tmp_path: Path) -> None:
    packed = bundle.write(evil, None, tmp_path / "case.zip", Ed25519PrivateKey.generate())
    with zipfile.ZipFile(packed) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    pdf = PdfReader(io.BytesIO(files["report.pdf"]))
    texts = {
        name: data.decode("utf-8-sig") for name, data in files.items() if not name.endswith((".pdf", ".sig", ".png"))
    }
    texts |= {"report.pdf": "\n".join(page.extract_text().replace(BULLET, "") for page in pdf.pages)}
    texts |= {"title of report.pdf": pdf.metadata.title}
    assert {"manifest.json", "answer.json", "report.html", "report.pdf"} <= texts.keys()
    assert [name for name, text in texts.items() if STEERING.search(text.replace("\r\n", "\n"))] == []
    assert json.loads(texts["manifest.json"])["evidence_name"] == EVIL
    assert verify(packed).state is State.IDENTICAL


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_no_list_of_reviews_holds_them(case: CaseFile, form) -> None:
    made = export_reviews([case], form)
    assert not STEERING.search(made.decode("utf-8-sig").replace("\r\n", "\n"))
    ((_, line),) = read_reviews(made, form, f"a.{form}")
    assert line.tags == case.reviews[0].tags
    if form == "csv":
        (row,) = csv.DictReader(io.StringIO(made.decode("utf-8-sig"), newline=""))
        assert not any(cell.startswith(csvfile.FORMULA_STARTS) for cell in row.values())
