"""Which faces of a clip belong to one person, so that each is judged separately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from drishtiksha.contract import Face, Sample
from drishtiksha.faces.tracks import assign_people, face_appearance
from drishtiksha.results import SampleScore


def looks(sample: Sample) -> tuple[np.ndarray, ...]:
    """One appearance per face, for `number_people`."""
    assert sample.frame is not None
    return tuple(face_appearance(sample.frame, face) for face in sample.faces)


def number_people(scores: Sequence[SampleScore], looks_of: Mapping[int, tuple[np.ndarray, ...]]) -> list[SampleScore]:
    """The same scores, with a person number on every face. `looks_of`: by sample index."""
    faces = [[Face(face.face_box, 1.0) for face in score.faces] for score in scores]
    appearance = [looks_of.get(score.index, ()) for score in scores]
    numbers, _ = assign_people([score.time_s or 0.0 for score in scores], faces, appearance)
    return [
        score.model_copy(
            update={
                "faces": tuple(
                    face.model_copy(update={"person": person}) for face, person in zip(score.faces, people, strict=True)
                )
            }
        )
        for score, people in zip(scores, numbers, strict=True)
    ]
