"""What is decoded of a case for a person: tasks that another process can do, so that a file in which a decoder crashes costs the
process of the page nothing. What goes in and what comes out can be written as JSON."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from drishtiksha.answer import Answer
from drishtiksha.answer.doubts import deciding_conditions
from drishtiksha.casefile import CaseFile
from drishtiksha.forensics import Filter
from drishtiksha.media.evidence import Evidence
from drishtiksha.render.moments import QUALITY, moment_pictures
from drishtiksha.render.same_moment import same_moment
from drishtiksha.report import write
from drishtiksha.report.files import once
from drishtiksha.results import AnalysisResult
from drishtiksha.services.lines import Task
from drishtiksha.services.looking import Looks
from drishtiksha.settings import Settings

LONG_SIDE = 1600
"""px of a picture on screen."""


class Apart:
    """Does these tasks in this process. One for a process, safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._limits, self._looks = settings.limits, Looks(settings.limits)
        self._tasks: dict[Task, Callable[..., Any]] = {
            "look": self._look,
            "key_frames": self._key_frames,
            "picture": self._picture,
            "times": self._times,
            "moments": self._moments,
            "seen": self._seen,
            "conditions": self._conditions,
            "report": self._report,
        }

    def do(self, task: Task, evidence: Evidence, **given: Any) -> Any:
        """Raises: MediaError; what else the task raises."""
        return self._tasks[task](evidence, **given)

    def _look(self, evidence: Evidence, *, folder: str, through: str, time_s: float) -> Any:
        """A `Look`."""
        return self._looks.look(evidence, Path(folder), Filter(through), time_s).model_dump(mode="json")

    def _key_frames(self, evidence: Evidence, *, folder: str) -> Any:
        """`KeyFrames`."""
        return self._looks.key_frames(evidence, Path(folder)).model_dump(mode="json")

    def _picture(self, evidence: Evidence, *, target: str) -> None:
        """A picture as it is shown on screen, as a JPEG."""
        picture = Image.fromarray(evidence.reader(self._limits).picture())
        picture.thumbnail((LONG_SIDE, LONG_SIDE))
        picture.save(target, "JPEG", quality=90)

    def _times(self, evidence: Evidence) -> list[float]:
        """When each frame of a video is shown, s; empty where their order cannot be told."""
        times: list[float] = evidence.reader(self._limits).index().times.tolist()
        return times if all(before < after for before, after in pairwise(times)) else []

    def _moments(self, evidence: Evidence, *, result: str, folder: str, stem: str) -> list[str]:
        """The titles of the most suspicious moments; their pictures are `<stem>-<number>.jpg`."""
        titles = []
        judged = AnalysisResult.model_validate_json(result)
        for number, (finding, picture) in enumerate(moment_pictures(evidence, judged, self._limits)):
            shot = Image.fromarray(picture)
            once(Path(folder) / f"{stem}-{number}.jpg", partial(shot.save, format="JPEG", quality=QUALITY))
            titles.append(finding.title())
        return titles

    def _seen(self, evidence: Evidence, *, results: list[str], time_s: float | None) -> list[str]:
        """What each model saw at a moment, as a JPEG in base64; "" where there is nothing to see."""
        judged = [AnalysisResult.model_validate_json(result) for result in results]
        pictures = [one.picture for one in same_moment(evidence, judged, time_s, self._limits)]
        return ["" if picture is None else _packed(Image.fromarray(picture)) for picture in pictures]

    def _conditions(self, evidence: Evidence, *, answer: str) -> Any:
        """`Conditions` of the deciding moment; None where they cannot be told."""
        found = deciding_conditions(Answer.model_validate_json(answer), evidence, self._limits)
        return None if found is None else found.model_dump(mode="json")

    def _report(self, evidence: Evidence, *, case: str, answer: str, target: str, data_dir: str) -> None:
        """A report, in the form that the ending of `target` asks for. Raises as `report.write` does."""
        write(
            CaseFile.model_validate_json(case),
            evidence,
            Path(target),
            Path(data_dir),
            answer=Answer.model_validate_json(answer),
            limits=self._limits,
        )


def _packed(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=QUALITY)
    return base64.b64encode(content.getvalue()).decode("ascii")
