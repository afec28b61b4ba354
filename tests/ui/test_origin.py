"""What the page says of where a file says that it comes from."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

import pytest
from sample_results import clean_picture, file_history, finding, media, recording

from drishtiksha.casefile import CaseFile, CredentialState, Provenance
from drishtiksha.render.provenance import LOOKS
from drishtiksha.results import MediaInfo
from drishtiksha.ui.shared import panels

EVIL = '<script>alert("x")</script>'


HISTORY = {"EXIF Make": "Maker", EVIL: EVIL}


def origin(provenance: Provenance, of: MediaInfo | None = None) -> str:
    case = CaseFile(case_id="c", opened_utc="2026-11-25T12:00:00Z", media=of or media(), provenance=provenance)
    return panels.origin(case)


class Tree(HTMLParser):
    """Checks that every element is closed in order; collects links and open details."""

    VOID = frozenset({"br", "img", "path", "circle", "meta"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.links: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.stack.append(tag)
        if tag == "a":
            self.links.append(dict(attrs))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.stack.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("state", CredentialState)
def test_every_state_has_its_own_sentence_and_icon(state):
    text = origin(file_history(state, HISTORY))
    Tree(text)
    assert LOOKS[state].title in text
    assert LOOKS[state].sentence in unescape(text)
    assert "<svg" in text
    assert len({look.icon for look in LOOKS.values()}) == len({look.title for look in LOOKS.values()}) == 4


def test_what_is_notable_stands_in_the_open_and_first():
    text = origin(file_history(fields=HISTORY))
    folded = text.index("<details")
    assert text.index("A generator") < folded < text.index("An ordinary note")
    assert "Also noted (1)" in text
    assert text.count("This tells") == text.count("This does not tell") == 2


def test_everything_from_the_file_is_escaped():
    nasty = Provenance(
        credentials=CredentialState.ABSENT,
        findings=(finding(EVIL, notable=True), finding(EVIL)),
        fields={EVIL: EVIL},
    )
    text = origin(nasty)
    Tree(text)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_links_for_reverse_search_open_apart_and_send_nothing():
    tree = Tree(origin(file_history(fields=HISTORY), clean_picture().media))
    assert len(tree.links) == 4
    for link in tree.links:
        assert link["rel"] == "noopener noreferrer"
        assert link["target"] == "_blank"
        assert str(link["href"]).startswith("https://")
    assert "Nothing is sent from here" in " ".join(tree.words)


def test_recordings_have_no_search_for_pictures():
    assert Tree(origin(file_history(fields=HISTORY), recording().media)).links == []


def test_a_file_that_says_nothing_has_no_empty_lists():
    text = origin(Provenance(credentials=CredentialState.ABSENT))
    Tree(text)
    assert '<ul class="dk-prov-list' not in text
    assert "All fields" not in text
