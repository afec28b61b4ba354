"""Nobody seen in fewer than three samples has a grade, a row, a picture or a line, on any surface."""

from __future__ import annotations

import pytest
import sample_results as planted

from drishtiksha.analysis.run import BRIEF, BRIEF_ONE, _on_brief
from drishtiksha.cli.predicting import print_result
from drishtiksha.render import findings, timeline, words
from drishtiksha.report.models import _people
from drishtiksha.results import AnalysisResult, FaceScore, GapReason, Grade, PersonScore, Prediction
from drishtiksha.ui.analyze import view


def person(number: int, samples: int, p: float, grade: Grade, cuts: int = 0) -> PersonScore:
    return PersonScore(
        person=number, first_s=0, last_s=3, samples=samples, p_fake=p, highest_p_fake=p, grade=grade, cuts=cuts
    )


STEADY = person(1, 6, 0.2, Grade.NONE_FOUND, cuts=2)
BRIEF_PERSON = person(2, 2, 0.99, Grade.STRONG)


def face(number: int, p: float) -> FaceScore:
    return FaceScore(face_box=(100, 60, 260, 240), p_fake=p, person=number)


SCORES = tuple(
    planted.sample(i, p=0.99 if i in (2, 3) else 0.2, faces=(face(1, 0.2), *([face(2, 0.99)] if i in (2, 3) else [])))
    for i in range(6)
)
LOW = {"prediction": Prediction.REAL, "grade": Grade.NONE_FOUND, "p_fake": 0.2, "confidence": 0.8, "heatmaps": ()}
OPEN = {"prediction": Prediction.INCONCLUSIVE, "grade": Grade.INCONCLUSIVE, "p_fake": None, "confidence": None}


@pytest.fixture
def both() -> AnalysisResult:
    """Somebody seen in six samples, and a suspicious passer-by."""
    maps = (planted.heatmap(2, person=2, p_fake=0.99), planted.heatmap(4, person=1, p_fake=0.2))
    return planted.result(people=(STEADY, BRIEF_PERSON), scores=SCORES, **LOW | {"heatmaps": maps})


@pytest.fixture
def nobody() -> AnalysisResult:
    """The passer-by alone."""
    scores = tuple(planted.sample(i, p=0.99, faces=(face(2, 0.99),)) for i in range(2))
    return planted.result(people=(BRIEF_PERSON,), scores=scores, gap=GapReason.LOW_COVERAGE, heatmaps=(), **OPEN)


def test_the_type_itself_holds_no_such_grade(both):
    assert BRIEF_PERSON.grade is Grade.INCONCLUSIVE
    told = AnalysisResult.model_validate_json(both.model_dump_json())
    assert [(row.person, row.grade) for row in told.people] == [(1, Grade.NONE_FOUND), (2, Grade.INCONCLUSIVE)]
    assert [row.person for row in told.seen_enough] == [1]
    older = STEADY.model_dump(mode="json") | {"samples": 1, "grade": "strong evidence of manipulation"}
    assert PersonScore.model_validate(older).grade is Grade.INCONCLUSIVE, "results of older versions can still be read"


def test_the_command_line_names_those_who_were_judged(both, nobody, capsys):
    print_result(both, "clip.mp4")
    told = " ".join(capsys.readouterr().out.split())
    assert "Person 1, 0.0-3.0 s, found again twice, probably the same person: p_fake 0.200" in told
    assert "Person 2" not in told
    assert "0.99" not in told
    print_result(nobody, "clip.mp4")
    told = " ".join(capsys.readouterr().out.split())
    assert "not scored" in told
    assert "0.99" not in told


def test_report_and_page_give_no_row_to_the_others(both, nobody):
    rows = _people(both).rows
    assert [row[0] for row in rows] == ["Person 1"]
    assert rows[0][1].endswith("found again twice, probably the same person")
    assert _people(nobody) is None
    html = view.details([both])
    assert "Person 1" in html
    assert "found again twice, probably the same person" in html
    assert "Person 2" not in html
    assert "Person 2" not in view.details([nobody])


def test_no_picture_and_no_line_is_theirs(both, nobody):
    shown = findings.findings(both)
    assert [one.title().partition(", ")[2] for one in shown] == ["Person 1, score 0.20"] * 4
    assert [one.heatmap.person for one in shown if one.heatmap] == [1]
    assert findings.findings(nobody) == []
    assert [line.person for line in timeline.lines(both)] == [1]
    assert [line.person for line in timeline.lines(nobody)] == [None]


def test_a_note_counts_them():
    assert _on_brief([STEADY, BRIEF_PERSON]) == (BRIEF_ONE,)
    assert _on_brief([STEADY, BRIEF_PERSON, BRIEF_PERSON]) == (BRIEF.format(2),)
    assert _on_brief([STEADY]) == _on_brief([BRIEF_PERSON]) == ()


def test_words_of_who_was_found_again():
    assert [words.found_again(cuts) for cuts in (0, 1, 17)] == [
        "",
        ", found again once, probably the same person",
        ", found again 17 times, probably the same person",
    ]
