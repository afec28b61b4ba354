"""The HTML report read with a parser, as a screen reader or a browser without network would."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import sample_case
import sample_results
from PIL import Image

from drishtiksha.casefile import CaseFile, HumanVerdict
from drishtiksha.errors import ReportError
from drishtiksha.media.evidence import Evidence
from drishtiksha.plaintext import SIGN
from drishtiksha.report import content, html
from drishtiksha.results import DISCLAIMER
from drishtiksha.settings import ROOT, MediaLimits

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Elements in order, and whether tags nest as they should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.text.append(data)
        for tag in self._open:
            if re.fullmatch("h[1-6]", tag):
                level, so_far = self.headings[-1]
                self.headings[-1] = (level, so_far + data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


def page_of(case: CaseFile, evidence: Evidence | None = None) -> Page:
    return Page(html.render(content.build(case, evidence)).decode())


@pytest.fixture(scope="module")
def full() -> Page:
    return page_of(sample_case.case())


def test_nothing_is_loaded_and_nothing_runs(full):
    for tag, attributes in full.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "form", "base")
        assert not any(name.startswith("on") for name in attributes), "no handler"
        assert "style" not in attributes, "the policy would not let it through"
        for name in ("src", "href", "srcset", "action", "background", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), value


def test_the_policy_allows_only_the_pictures_and_the_style_in_the_file(full):
    raw = html.render(content.build(sample_case.case())).decode()
    policy = next(a["content"] for a in full.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    css = re.search("<style>(.*?)</style>", raw, re.DOTALL)
    assert css is not None
    assert "url(" not in css[1]
    assert "@import" not in css[1]
    digest = base64.b64encode(hashlib.sha256(css[1].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_headings_leave_no_level_out_and_ids_are_unique(full):
    levels = [level for level, _ in full.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(text.strip() for _, text in full.headings)
    ids = [attributes["id"] for _, attributes in full.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in full.elements:
        assert attributes.get("aria-labelledby", ids[0]) in ids
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids


def test_tables_name_their_rows_and_columns(full):
    tables = full.all("table")
    assert tables
    assert len(full.all("caption")) == len(tables)
    assert {attributes.get("scope") for attributes in full.all("th")} == {"col", "row"}
    assert full.all("html")[0]["lang"] == "en"


def test_every_picture_is_described(full):
    assert full.all("img")
    for picture in full.all("img"):
        assert len(picture["alt"]) > 20
        assert int(picture["width"]) > 0
        assert int(picture["height"]) > 0


def test_people_go_first_and_override(full):
    words = full.words
    people, machine = words.index("What people who looked at it conclude"), words.index("What the detectors found")
    assert people < machine < words.index("Technical annex")
    assert "Manipulated" in words[people:machine]
    assert content.OVERRIDES in words[people:machine]


def test_everything_known_is_told(full):
    words = full.words
    for expected in (
        sample_case.QUESTION,
        DISCLAIMER,
        "The detectors disagree",
        "Self-blended portraits.",
        "The verdict 'evidence of manipulation' held under 1 of 2 changes.",
        "H.264 CRF 35",
        "This does not tell: Whether anything in it was changed",
        "SM-G991B",
        "replaced by a later word",
        sample_results.SHA,
        sample_case.CASE_ID,
        "torch 2.14.1",
        "cd" * 32,
        "2026-11-23 12:00:00 UTC",
        "Random seeds",
    ):
        assert expected in words, expected


def test_what_people_wrote_is_text_and_never_markup(full):
    for expected in ("<script>alert(1)</script>", f"<b>{sample_case.HINDI}</b>", sample_case.ARABIC, sample_case.EMOJI):
        assert expected in full.words


def test_reviewers_who_differ_are_told_apart():
    reviews = (
        sample_case.review(1, "Asha", HumanVerdict.GENUINE),
        sample_case.review(2, "Binh", HumanVerdict.MANIPULATED),
    )
    words = page_of(sample_case.case(reviews=reviews)).words
    assert "Unclear: the reviewers differ" in words
    assert "Asha: genuine, high confidence; Binh: manipulated, high confidence. A reviewer's word" in words


def test_a_name_from_right_to_left_turns_no_sentence():
    """Isolated by the element for it, since characters that turn the direction of text do not get into a page."""
    reviews = (sample_case.review(1, sample_case.ARABIC, HumanVerdict.GENUINE),)
    page = html.render(content.build(sample_case.case(reviews=reviews))).decode()
    assert f"<p><bdi>{sample_case.ARABIC}</bdi>: genuine, high confidence. A reviewer" in page
    assert SIGN not in page


def test_a_case_of_which_nothing_is_known_yet_can_be_reported():
    words = page_of(sample_case.case(question="", provenance=None, results=(), stress=(), reviews=())).words
    assert "Not examined yet" in words
    assert "This was not examined." in words
    assert "What was asked" not in words


@pytest.mark.slow
@pytest.mark.parametrize(
    "result", [sample_results.no_face(), sample_results.clean_picture(), sample_results.recording()]
)
def test_each_kind_of_media_has_a_report(result):
    page = page_of(sample_case.case(media=result.media, results=(result,), stress=()))
    assert content.build(sample_case.case(media=result.media, results=(result,))).machine.title in page.words
    assert content.build(sample_case.case(media=result.media, results=(result,))).answer.disclaimer in page.words


def test_pictures_of_a_real_examination_are_in_the_file(real):
    page = page_of(real.case, real.evidence)
    sources = [picture["src"] for picture in page.all("img")]
    assert len(sources) >= 6
    for source in sources:
        kind, _, data = source.partition(";base64,")
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            image.load()
            assert kind == f"data:image/{image.format.lower()}"
    for result in real.case.results:
        assert result.provenance.checkpoint_sha256 in page.words
    assert real.evidence.media.sha256 in page.words
    assert "Why it may be a false alarm" in page.words
    assert "The check of the voice decided, by VOICE-SPOOF-LITE-V2: score" in page.words


def test_evidence_of_another_case_is_refused(real):
    other = Evidence.open(ROOT / "assets" / "portrait.jpg", MediaLimits())
    with pytest.raises(ReportError, match="not the file of this case"):
        content.build(real.case, other)
