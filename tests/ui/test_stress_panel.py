from __future__ import annotations

import re

from sample_results import SHA, result

from drishtiksha.casefile import StressPoint, StressResult
from drishtiksha.results import GapReason, Grade, Prediction
from drishtiksha.ui.analyze import stress as stress_panel

NASTY = "<img src=x onerror=alert(1)>"


def point(kind: str, label: str, p: float | None, flips: bool = False) -> StressPoint:
    fake = p is not None and not flips
    return StressPoint(
        kind=kind,
        label=label,
        strength=1,
        prediction=Prediction.FAKE if fake else Prediction.INCONCLUSIVE,
        grade=Grade.MODERATE if fake else Grade.INCONCLUSIVE,
        p_fake=p,
        coverage=1.0,
        gap=None if p is not None else GapReason.NO_FACE,
        flips=flips,
    )


def stress(*points: StressPoint, **changes: object) -> StressResult:
    fields: dict[str, object] = {
        "model_name": "M",
        "sha256": SHA,
        "baseline": result(),
        "points": points,
        "low": 0.31,
        "high": 0.9,
        "sentences": ("The verdict held.",),
        "seconds": 12.0,
    }
    return StressResult.model_validate(fields | changes)


def test_every_change_is_a_row_under_its_kind_with_score_and_words() -> None:
    html = stress_panel.markup(
        stress(
            point("jpeg", "JPEG quality 50", 0.8),
            point("jpeg", "JPEG quality 30", None, True),
            point("crop", "Cropped", 0.7),
        )
    )
    assert re.findall(r'scope="colgroup">([^<]+)<', html) == ["JPEG", "Crop"]
    assert re.findall(r'<th scope="row">([^<]+)<', html) == ["JPEG quality 50", "JPEG quality 30", "Cropped"]
    assert html.count("dk-flips") == 1
    assert "none" in html
    assert "Every change, one by one (3)" in html
    assert "<caption" in html


def test_the_band_is_said_in_words_for_those_who_do_not_see_it() -> None:
    html = stress_panel.markup(stress(point("jpeg", "JPEG", 0.8)))
    assert 'role="img" aria-label="Scores between 0.31 and 0.90; the untouched file: 0.78; suspicious from' in html


def test_without_any_score_there_is_no_band() -> None:
    html = stress_panel.markup(stress(point("jpeg", "JPEG", None, True), low=None, high=None))
    assert "dk-bar" not in html
    assert "The verdict held." in html


def test_what_comes_from_outside_is_escaped() -> None:
    html = stress_panel.markup(stress(point(NASTY, NASTY, 0.8), model_name=NASTY, sentences=(NASTY,)))
    assert "<img" not in html
