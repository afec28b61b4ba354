"""The queue of cases under review: its filters and its rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Any

from drishtiksha.casefile import CaseFile, HumanVerdict, Viewer
from drishtiksha.plaintext import escaped
from drishtiksha.render import words
from drishtiksha.results import Prediction
from drishtiksha.services.reviews import disputed
from drishtiksha.services.workbench import Workbench
from drishtiksha.ui.shared.human import HUMAN_WORDS
from drishtiksha.ui.shared.templates import fill

SHOWN = 200
SEARCHED = 2000
"""Cases looked through for a human verdict, which the store cannot ask for."""
MACHINE_WORDS = {
    Prediction.FAKE: ("suspects manipulation", "suspect manipulation"),
    Prediction.REAL: ("found nothing", "found nothing"),
    Prediction.INCONCLUSIVE: ("inconclusive", "inconclusive"),
}
"""Of one detector, of several."""
_HUMAN = "human:"


@dataclass(frozen=True)
class Filter:
    """Which cases the queue shows; empty = any. Dates are days in UTC, the last one included."""

    verdict: str = ""
    model: str = ""
    since: str = ""
    until: str = ""
    unreviewed: bool = False
    disagreement: bool = False

    @classmethod
    def of(cls, value: str | None) -> Filter:
        """From the component's value; what makes no sense in it is left out."""
        try:
            data: Any = json.loads(value or "{}")
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(data, dict):
            return cls()
        text = {name: escaped(str(data.get(name) or "")) for name in ("verdict", "model", "since", "until")}
        return cls(**text, unreviewed=bool(data.get("unreviewed")), disagreement=bool(data.get("disagreement")))

    def find(self, bench: Workbench, viewer: Viewer) -> list[CaseFile]:
        """What passes, newest first."""
        human = self.verdict.removeprefix(_HUMAN) if self.verdict.startswith(_HUMAN) else ""
        until = _day(self.until)
        found = bench.seen_by(viewer).cases(
            prediction=Prediction(self.verdict) if self.verdict in list(Prediction) else None,
            model=self.model or None,
            reviewed=False if self.unreviewed else None,
            disagreement=True if self.disagreement else None,
            since=_day(self.since),
            until=until + timedelta(days=1) if until and until.year < MAXYEAR else None,
            limit=SEARCHED if human else SHOWN,
        )
        return [case for case in found if not human or case.human_verdict == human][:SHOWN]


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def filter_form(models: Sequence[str]) -> str:
    """The form of the filters."""
    verdicts = {
        Prediction.REAL.value: "A detector found nothing",
        Prediction.FAKE.value: "A detector suspects manipulation",
        Prediction.INCONCLUSIVE.value: "A detector is inconclusive",
    }
    people = {f"{_HUMAN}{verdict.value}": f"People: {HUMAN_WORDS[verdict][0].lower()}" for verdict in HumanVerdict}
    return fill("review/filters.html", verdicts=verdicts | people, models=models)


def case_list(cases: Sequence[CaseFile], current: str = "") -> str:
    """A row for each case."""
    return fill(
        "review/queue.html",
        cases=cases,
        count=f"The {SHOWN} newest cases" if len(cases) == SHOWN else words.counted(len(cases), "case"),
        current=current,
        verdicts=HUMAN_WORDS,
        disputed=disputed,
        detectors_in_words=detectors_in_words,
    )


def detectors_in_words(case: CaseFile) -> str:
    """What the detectors say, each counted and none averaged."""
    if not case.results:
        return "Not examined by a detector yet"
    count = Counter(result.prediction for result in case.results)
    if len(case.results) == 1:
        (result,) = case.results
        return f"{result.model_name}: {result.grade.value}"
    said = ", ".join(f"{n} {one if n == 1 else many}" for p, (one, many) in MACHINE_WORDS.items() if (n := count[p]))
    return f"{len(case.results)} detectors: {said}"
