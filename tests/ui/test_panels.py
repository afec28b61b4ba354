from __future__ import annotations

import re

import pytest
from sample_results import SHA, clean_picture, media, no_face, recording, result, sample

from drishtiksha.render import timeline, words
from drishtiksha.results import DISCLAIMER, GapReason, Grade, Prediction
from drishtiksha.ui.shared import panels

NASTY = '<img src=x onerror=alert(1)>"${alert(2)}.mp4'


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize("make", [no_face, clean_picture])
def test_a_low_score_carries_the_disclaimer_once(make) -> None:
    assert text_of(panels.verdict(make())).count(DISCLAIMER) == 1


@pytest.mark.parametrize("grade", list(Grade))
def test_every_grade_is_words_and_a_hidden_icon(grade: Grade) -> None:
    inconclusive = grade is Grade.INCONCLUSIVE
    changes = {"prediction": Prediction.INCONCLUSIVE, "confidence": None} if inconclusive else {}
    html = panels.verdict(result(grade=grade, **changes))
    assert words.GRADE_LOOKS[grade].title in html
    assert 'aria-hidden="true"' in html
    assert "green" not in html


def test_a_verdict_says_score_coverage_and_reason() -> None:
    text = text_of(panels.verdict(result()))
    for part in (
        "Moderate evidence of manipulation",
        "0.78",
        "Coverage 78 %",
        "14 of 18 samples judged",
        "threshold for manipulation",
    ):
        assert part in text


def test_nothing_scored_shows_no_score_and_no_pin() -> None:
    html = panels.verdict(no_face())
    assert "Inconclusive" in html
    assert "No face was found" in html
    assert "dk-pin" not in html
    assert "0.00" not in html


def test_an_early_answer_says_that_it_is_early() -> None:
    assert "Preliminary" in panels.verdict(result(), preliminary=True)
    assert "Preliminary" not in panels.verdict(result())


def test_names_from_files_are_escaped_everywhere() -> None:
    nasty = result(
        media=media(name=NASTY, encoder=NASTY),
        reason=NASTY,
        caveats=(NASTY,),
        odds=(NASTY,),
        notes=(NASTY,),
        model_name=NASTY,
    )
    for html in (
        panels.verdict(nasty),
        panels.evidence(nasty.media, [NASTY]),
        panels.problem(NASTY, NASTY, NASTY),
        panels.custody(nasty),
        panels.status(NASTY, NASTY),
        panels.score_over_time(nasty),
        panels.people(nasty),
    ):
        assert "<img src=x" not in html


def test_an_error_is_an_alert_and_concludes_nothing() -> None:
    html = panels.problem("clip.mp4 cannot be read.", "ab12")
    assert 'role="alert"' in html
    assert "Nothing was concluded" in html
    assert "ab12" in html


def test_the_timeline_is_drawn_once_for_every_screen_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []
    real = timeline.score_chart
    monkeypatch.setattr(timeline, "score_chart", lambda one: drawn.append(one) or real(one))
    monkeypatch.setattr(timeline, "timeline_png", lambda _: pytest.fail("documents alone need a picture"))
    html = panels.score_over_time(result())
    assert (len(drawn), html.count('role="img"')) == (1, 1)
    assert "data:image" not in html
    assert "Highest score 0.90" in html
    assert "suspicious from 0.65" in text_of(html)
    assert "Hatched stretches could not be judged (no face)." in html
    assert "Each point" not in html
    assert "Hatched stretches" not in panels.score_over_time(result(scores=result().scores[:7]))


def test_the_timeline_of_sixty_samples_is_under_40_kb() -> None:
    sixty = result(scores=tuple(sample(i, p=i / 60) for i in range(60)), people=(), media=media(duration_s=30.0))
    assert len(panels.score_over_time(sixty).encode()) < 40_000


def test_the_timeline_of_a_recording_says_what_its_points_and_gaps_are() -> None:
    text = text_of(panels.score_over_time(recording()))
    assert "Each point stands for 4.0 s of sound." in text
    assert "Hatched stretches could not be judged (no speech)." in text


def test_an_experimental_model_is_marked_in_the_verdict() -> None:
    assert "Experimental" in text_of(panels.verdict(result(experimental=True)))
    assert "Experimental" not in text_of(panels.verdict(result()))


def test_a_picture_has_faces_instead_of_a_timeline() -> None:
    assert panels.score_over_time(clean_picture()) == ""
    assert "Face 1" in panels.faces_of_picture(clean_picture())
    assert panels.faces_of_picture(result()) == ""


def test_people_are_buttons_the_most_suspicious_first() -> None:
    html = panels.people(result())
    assert re.findall(r'<button type="button" data-person="(\d)"', html) == ["1", "2"]
    assert "No evidence found" in html
    assert panels.people(clean_picture()) == ""


def test_facts_show_the_hash_and_the_remarks() -> None:
    html = panels.evidence(media(), ["It fits."])
    assert SHA in html
    assert "It fits." in html


def test_status_speaks_politely() -> None:
    assert 'aria-live="polite"' in panels.status("Scoring")


def test_gap_reason_of_a_low_coverage_is_readable() -> None:
    shown = panels.verdict(
        no_face().model_copy(update={"gap": GapReason.LOW_COVERAGE, "reason": "Only 3 % could be judged."})
    )
    assert "Only 3 %" in shown
