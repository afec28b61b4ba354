from __future__ import annotations

from sample_results import media

from drishtiksha.casefile import CaseFile, Confidence, HumanVerdict, PinnedNote, Review
from drishtiksha.ui.shared import human

NASTY = "<img src=x onerror=alert(1)>"


def case(*said: tuple[str, HumanVerdict]) -> CaseFile:
    reviews = tuple(
        Review(
            review_id=number,
            case_id="c",
            reviewer=name,
            verdict=verdict,
            confidence=Confidence.HIGH,
            notes=(PinnedNote(text="look"),),
            made_utc="2026-11-25T12:00:00Z",
        )
        for number, (name, verdict) in enumerate(said)
    )
    return CaseFile(case_id="c", opened_utc="2026-11-25T12:00:00Z", media=media(), reviews=reviews)


def test_nothing_stands_there_while_nobody_said_a_word() -> None:
    assert human.verdict_of_people(case()) == ""


def test_one_word_overrides_and_says_whose_it_is() -> None:
    html = human.verdict_of_people(case(("Ada", HumanVerdict.MANIPULATED)))
    assert "<h2>Manipulated</h2>" in html
    assert "It overrides what detectors say below." in html
    assert "Ada: manipulated, high confidence, 1 note, 2026-11-25 12:00:00 UTC" in html


def test_reviewers_that_differ_are_unclear_and_each_is_named() -> None:
    html = human.verdict_of_people(case(("Ada", HumanVerdict.MANIPULATED), ("Bob", HumanVerdict.GENUINE)))
    assert "<h2>Unclear</h2>" in html
    assert "The reviewers differ." in html
    assert "Ada: manipulated" in html
    assert "Bob: genuine" in html


def test_the_newest_word_of_a_reviewer_counts() -> None:
    html = human.verdict_of_people(case(("Ada", HumanVerdict.MANIPULATED), ("Ada", HumanVerdict.GENUINE)))
    assert "<h2>Genuine</h2>" in html
    assert "manipulated" not in html


def test_names_are_escaped_and_every_verdict_has_words() -> None:
    assert "<img" not in human.verdict_of_people(case((NASTY, HumanVerdict.UNCLEAR)))
    assert set(human.HUMAN_WORDS) == set(HumanVerdict)
