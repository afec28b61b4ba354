from __future__ import annotations

import re
from pathlib import Path

import pytest
from sample_results import SHA, clean_picture, file_history, no_face, result, sample

from drishtiksha.answer import Answer, answer_of
from drishtiksha.casefile import StressPoint, StressResult
from drishtiksha.detector_config import DetectorConfig
from drishtiksha.results import AnalysisResult, GapReason, Grade, Prediction
from drishtiksha.ui.analyze import view

NASTY = '<img src=x onerror=alert(1)>"${alert(2)}.mp4'


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def answer(*results: AnalysisResult) -> Answer:
    return answer_of(results[0].media, results, file_history(fields={}))


def test_the_head_has_state_why_the_sentence_and_both_texts_to_copy() -> None:
    told = answer(result())
    html = view.head(told)
    assert told.headline in html
    assert told.why in text_of(html)
    assert re.findall(r'data-copy="([^"]*)"', html)[0].startswith("Drishtiksha")
    assert len(told.sentence.split()) <= 25
    assert 'aria-hidden="true"' in html
    assert SHA in re.findall(r'data-copy="([^"]*)"', html)[1]


def test_every_line_says_its_state_why_and_what_it_misses_and_keeps_codes_in_details() -> None:
    told = answer(result())
    html = view.lines(told, "j" * 32, "c" * 32, may_add=True)
    for line in told.lines:
        assert line.says in text_of(html)
    before_details = html.split("<details")[0]
    assert result().model_name not in before_details
    assert f'href="?compare={"j" * 32}"' in html
    assert 'data-player="dk-player-answer"' in html, "moments are buttons"


@pytest.mark.parametrize("may_add", [True, False], ids=["own", "public"])
def test_what_is_advised_can_be_done_where_it_is_read(may_add: bool) -> None:
    told = answer_of(result().media, [], file_history(fields={}))
    html = view.lines(told, may_add=may_add)
    assert told.advised
    assert ("dk-to-models" in html) is may_add
    assert ("on the tab Models" if may_add else "Whoever runs this server can add") in text_of(html)
    assert "drishtiksha weights" not in html


def test_what_is_copied_while_a_check_is_at_work_says_so() -> None:
    config = DetectorConfig(
        model_name="V", class_name="X", description="", model_path=Path("x"), line="voice", isVideo=True
    )
    told = answer_of(result().media, [result()], waiting=[config])
    short, technical = re.findall(r'data-copy="([^"]*)"', view.head(told))
    assert short.startswith("Incomplete: ")
    assert "missing: Voice" in short
    assert "still being checked: the voice" in technical


def test_nothing_to_judge_has_no_disclaimer() -> None:
    html = view.head(answer(no_face()))
    assert 'data-state="nothing_to_judge"' in html
    assert "dk-disclaimer" not in html


def test_the_timeline_is_one_drawing_that_keys_move_in() -> None:
    html = view.timeline([result()], answer(result()))
    assert html.count('<svg class="dk-svg"') == 1
    assert 'role="slider" tabindex="0"' in html
    assert result().model_name not in text_of(html), "named by its line"
    assert view.timeline([clean_picture()], answer(clean_picture())) == ""


def test_a_person_below_three_samples_has_no_row() -> None:
    many = result()
    few = many.model_copy(update={"people": tuple(p.model_copy(update={"samples": 2}) for p in many.people)})
    assert "Person 1" in view.details([many])
    assert "Person 1" not in view.details([few])


def test_details_say_score_coverage_and_reason() -> None:
    text = text_of(view.details([result()]))
    for part in ("Moderate evidence of manipulation", "0.78", "Coverage 78 %", "14 of 18 samples judged"):
        assert part in text
    none = view.details([no_face()])
    assert "No face was found" in none
    assert "dk-pin" not in none
    assert "0.00" not in none.split("<details")[0]
    assert "Face 1" in view.details([clean_picture()])
    assert "No detector has judged" in view.details([])


def test_names_from_files_are_escaped_everywhere() -> None:
    nasty = result(reason=NASTY, caveats=(NASTY,), odds=(NASTY,), notes=(NASTY,), model_name=NASTY)
    nasty = nasty.model_copy(update={"media": nasty.media.model_copy(update={"name": NASTY, "encoder": NASTY})})
    told = answer(nasty)
    for html in (
        view.head(told, example=NASTY),
        view.lines(told, NASTY, NASTY, may_add=True),
        view.timeline([nasty], told),
        view.details([nasty]),
        view.moments(nasty, [view.Shot(NASTY, NASTY, 1.0)]),
    ):
        assert "<img src=x" not in html


def test_the_timeline_of_sixty_samples_is_under_40_kb() -> None:
    sixty = result(scores=tuple(sample(i, p=i / 60) for i in range(60)), people=())
    assert len(view.timeline([sixty], answer(sixty)).encode()) < 40_000


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
    html = view.stress_test(
        stress(
            point("jpeg", "JPEG quality 50", 0.8),
            point("jpeg", "JPEG quality 30", None, True),
            point("crop", "Cropped", 0.7),
        )
    )
    assert re.findall(r'scope="colgroup">([^<]+)<', html) == ["JPEG", "Crop"]
    assert re.findall(r'<th scope="row">([^<]+)<', html) == ["JPEG quality 50", "JPEG quality 30", "Cropped"]
    assert html.count("dk-flips") == 1
    assert "Every change, one by one (3)" in html
    assert 'role="img" aria-label="Scores between 0.31 and 0.90; the untouched file: 0.78; suspicious from' in html


@pytest.mark.parametrize("p", [None])
def test_without_any_score_there_is_no_band(p: float | None) -> None:
    html = view.stress_test(stress(point("jpeg", "JPEG", p, True), low=None, high=None, sentences=(NASTY,)))
    assert "dk-bar" not in html
    assert "<img" not in html
