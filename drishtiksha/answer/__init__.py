"""One answer about a file, from what all detectors and its own history say: the only home of these words."""

from __future__ import annotations

from drishtiksha.answer.build import Failure, NotRun, answer_of
from drishtiksha.answer.looks import Look, look_of
from drishtiksha.answer.objects import Answer, Behind, Glance, LeftOut, Line, Pending, Place, Span, State
from drishtiksha.answer.texts import GradeStep, Texts, grade_scale

__all__ = [
    "Answer",
    "Behind",
    "Failure",
    "Glance",
    "GradeStep",
    "LeftOut",
    "Line",
    "Look",
    "NotRun",
    "Pending",
    "Place",
    "Span",
    "State",
    "Texts",
    "answer_of",
    "grade_scale",
    "look_of",
]
