"""People numbered alike over several detectors."""

from __future__ import annotations

import numpy as np
from sample_results import media, result

from drishtiksha.people import numbered
from drishtiksha.results import AnalysisResult, FaceScore, Grade, PersonScore, SampleScore

LEFT, RIGHT, ABOVE = (10.0, 100.0, 110.0, 200.0), (400.0, 100.0, 520.0, 220.0), (200.0, 0.0, 280.0, 80.0)


def wider(box: tuple[float, ...]) -> tuple[float, ...]:
    """As a detector with a margin of 20 % on each side crops it."""
    w, h = box[2] - box[0], box[3] - box[1]
    return (box[0] - 0.2 * w, box[1] - 0.2 * h, box[2] + 0.2 * w, box[3] + 0.2 * h)


def looked(name: str, times: np.ndarray, **people: tuple[int, tuple[float, ...], float, float]) -> AnalysisResult:
    """A result in which each of `people` (person, box, first and last second) is seen at every moment between."""
    scores = []
    for index, time in enumerate(times):
        faces = [FaceScore(face_box=box, p_fake=0.5, person=n) for n, box, a, b in people.values() if a <= time <= b]
        gap = None if faces else "no_face"
        scores.append(
            SampleScore(index=index, time_s=float(time), p_fake=0.5 if faces else None, gap=gap, faces=tuple(faces))
        )
    rows = [
        PersonScore(person=n, first_s=a, last_s=b, samples=9, p_fake=0.5, highest_p_fake=0.5, grade=Grade.NONE_FOUND)
        for n, _, a, b in people.values()
    ]
    return result(model_name=name, media=media(), scores=tuple(scores), people=tuple(rows))


def at(found: AnalysisResult, box: tuple[float, ...]) -> set[int | None]:
    """The numbers of the faces there."""
    return {face.person for score in found.scores for face in score.faces if face.face_box == box}


def test_the_same_face_has_the_same_number_in_every_result():
    first = looked("A", np.linspace(0, 10, 32), one=(1, LEFT, 0, 10), two=(2, RIGHT, 2, 8))
    # Others look at other moments, crop more widely and meet the people in another order.
    second = looked("B", np.linspace(0.1, 9.9, 50), two=(1, wider(RIGHT), 2, 8), one=(2, wider(LEFT), 0, 10))
    third = looked("C", np.linspace(0, 10, 32), new=(1, ABOVE, 0, 10), one=(2, LEFT, 0, 10))
    a, b, c = numbered([first, second, third])
    assert a is first, "the first keeps its numbers"
    assert (at(b, wider(LEFT)), at(b, wider(RIGHT))) == ({1}, {2})
    assert [(row.person, row.first_s) for row in b.people] == [(1, 0.0), (2, 2.0)]
    assert (at(c, LEFT), at(c, ABOVE)) == ({1}, {3}), "who is new gets a number that nobody has"
    assert numbered([a, b, c]) == (a, b, c), "numbering again changes nothing"


def test_who_stands_there_later_is_somebody_else():
    first = looked("A", np.linspace(0, 10, 40), one=(1, LEFT, 0, 4))
    second = looked("B", np.linspace(0, 10, 40), other=(1, LEFT, 6, 10))
    _, b = numbered([first, second])
    assert at(b, LEFT) == {2}


def test_two_people_of_one_detector_stay_two():
    first = looked("A", np.linspace(0, 10, 40), one=(1, LEFT, 0, 10))
    split = looked("B", np.linspace(0, 10, 40), start=(1, LEFT, 0, 4), end=(2, LEFT, 4.1, 10))
    _, b = numbered([first, split])
    assert {row.person for row in b.people} == {1, 2}


def test_results_without_people_stay_as_they_are():
    first = looked("A", np.linspace(0, 10, 8))
    second = looked("B", np.linspace(0, 10, 8), one=(4, LEFT, 0, 10))
    assert numbered([first, second]) == (first, second)
    assert numbered([]) == ()
