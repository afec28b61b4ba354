"""One numbering of the people of a file for the results of several detectors, each of which numbers those that it follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drishtiksha.results import AnalysisResult, PersonScore

REACH_S = 0.3
"""Two detectors look at one moment where their samples are no further apart."""
SAME_FACE = 0.3
"""Intersection over union from which two boxes are of one face: detectors crop faces more or less widely."""
MOSTLY = 0.5
"""Of the moments at which both were seen, two people must be in one place in so many to be one."""

Seen = dict[int, np.ndarray]
"""Person -> when and where they were seen, (n, 5): time_s, left, top, right, bottom, in time order."""


def numbered(results: Sequence[AnalysisResult]) -> tuple[AnalysisResult, ...]:
    """The same results, in which person 2 is the same person everywhere.

    The first result that follows people keeps its numbers. A person of a later one gets the number of the person whose face was
    in the same place at the same moments; where there is none, the next number that is free.
    """
    known: Seen = {}
    found = []
    for result in results:
        seen = _seen(result)
        numbers = _matched(seen, known)
        for person in seen:
            if person not in numbers:
                free = person not in known and person not in numbers.values()
                numbers[person] = person if not known and free else _next(known, numbers)
        for person, places in seen.items():
            old = known.get(numbers[person])
            known[numbers[person]] = places if old is None else np.concatenate([old, places])[_order(old, places)]
        found.append(_with(result, numbers) if any(a != b for a, b in numbers.items()) else result)
    return tuple(found)


def _next(known: Seen, numbers: dict[int, int]) -> int:
    return max([0, *known, *numbers.values()]) + 1


def _order(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    return np.argsort(np.concatenate([old[:, 0], new[:, 0]]), kind="stable")


def _seen(result: AnalysisResult) -> Seen:
    rows: dict[int, list[tuple[float, ...]]] = {}
    for score in sorted(result.scores, key=lambda score: score.time_s or 0.0):
        for face in score.faces:
            if face.person is not None and score.time_s is not None:
                rows.setdefault(face.person, []).append((score.time_s, *face.face_box))
    return {person: np.array(places) for person, places in sorted(rows.items())}


def _matched(seen: Seen, known: Seen) -> dict[int, int]:
    """Person of this result -> number, the surest first; nobody is matched twice."""
    alike = [
        (_alike(ours, theirs), person, number) for person, ours in seen.items() for number, theirs in known.items()
    ]
    numbers: dict[int, int] = {}
    for likeness, person, number in sorted(alike, key=lambda one: (-one[0], one[1], one[2])):
        if likeness > 0 and person not in numbers and number not in numbers.values():
            numbers[person] = number
    return numbers


def _alike(ours: np.ndarray, theirs: np.ndarray) -> float:
    """In how many of our moments that they have too both are in one place; 0 where that is not most of them."""
    places = np.clip(np.searchsorted(theirs[:, 0], ours[:, 0]), 1, len(theirs) - 1) if len(theirs) > 1 else None
    if places is None:
        nearest = np.zeros(len(ours), dtype=int)
    else:
        before = np.abs(theirs[places - 1, 0] - ours[:, 0]) <= np.abs(theirs[places, 0] - ours[:, 0])
        nearest = places - before
    other = theirs[nearest]
    both = np.abs(other[:, 0] - ours[:, 0]) <= REACH_S
    same = both & (overlap(ours[:, 1:], other[:, 1:]) >= SAME_FACE)
    return float(same.sum()) if both.any() and same.sum() >= MOSTLY * both.sum() else 0.0


def overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What boxes (..., 4), xyxy, have in common with others, as a share of what the two cover together: (...), in [0, 1]."""
    common = _area(np.concatenate([np.maximum(one, other)[..., :2], np.minimum(one, other)[..., 2:]], axis=-1))
    whole = _area(one) + _area(other) - common
    return np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.prod(np.clip(boxes[..., 2:] - boxes[..., :2], 0, None), axis=-1, dtype=np.float64)


def _with(result: AnalysisResult, numbers: dict[int, int]) -> AnalysisResult:
    def of(person: int | None) -> int | None:
        return None if person is None else numbers.get(person, person)

    scores = tuple(
        score.model_copy(
            update={"faces": tuple(face.model_copy(update={"person": of(face.person)}) for face in score.faces)}
        )
        if score.faces
        else score
        for score in result.scores
    )
    people = tuple(sorted((row.model_copy(update={"person": of(row.person)}) for row in result.people), key=_number))
    heatmaps = tuple(one.model_copy(update={"person": of(one.person)}) for one in result.heatmaps)
    return result.model_copy(update={"scores": scores, "people": people, "heatmaps": heatmaps})


def _number(row: PersonScore) -> int:
    return row.person
