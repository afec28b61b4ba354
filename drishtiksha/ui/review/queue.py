"""The queue of cases under review: its filters and its rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from drishtiksha.casefile import CaseFile, HumanVerdict, Viewer
from drishtiksha.render import words
from drishtiksha.results import Prediction
from drishtiksha.services.reviews import disputed
from drishtiksha.services.workbench import Workbench
from drishtiksha.ui.shared.human import HUMAN_WORDS
from drishtiksha.ui.shared.icons import icon

SHOWN = 200
SEARCHED = 2000
"""Cases looked through for a human verdict, which the store cannot ask for."""
MACHINE_WORDS = {
    Prediction.FAKE: "suspects manipulation",
    Prediction.REAL: "found nothing",
    Prediction.INCONCLUSIVE: "inconclusive",
}
_HUMAN = "human:"

FILTER_JS = """
const send = () => {
  const data = Object.fromEntries(new FormData(element.querySelector('form')));
  props.value = JSON.stringify(data);
  trigger('input');
};
element.addEventListener('change', send);
element.addEventListener('submit', event => event.preventDefault());
element.addEventListener('reset', () => setTimeout(send, 0));
"""
QUEUE_JS = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-case]'); if (!button) return;
  element.querySelectorAll('button[data-case]').forEach(
    one => one.setAttribute('aria-current', String(one === button)));
  trigger('select', {case_id: button.dataset.case});
});
"""


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
        except ValueError:
            return cls()
        if not isinstance(data, dict):
            return cls()
        text = {name: str(data.get(name) or "") for name in ("verdict", "model", "since", "until")}
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
            until=until + timedelta(days=1) if until else None,
            limit=SEARCHED if human else SHOWN,
        )
        return [case for case in found if not human or case.human_verdict == human][:SHOWN]


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def filters(models: Sequence[str]) -> str:
    """The form of the filters."""
    verdicts = "".join(f'<option value="{p.value}">A detector {MACHINE_WORDS[p]}</option>' for p in Prediction)
    verdicts = verdicts.replace("A detector inconclusive", "A detector is inconclusive")
    people = "".join(
        f'<option value="{_HUMAN}{v.value}">People: {HUMAN_WORDS[v][0].lower()}</option>' for v in HumanVerdict
    )
    names = "".join(f"<option>{escape(name)}</option>" for name in models)
    return (
        '<form class="dk-filters" aria-label="Filters of the queue">'
        f'<label class="dk-field"><span>Verdict</span><select name="verdict"><option value="">Any</option>{verdicts}{people}</select></label>'
        f'<label class="dk-field"><span>Examined by</span><select name="model"><option value="">Any detector</option>{names}</select></label>'
        '<label class="dk-field"><span>From</span><input type="date" name="since"></label>'
        '<label class="dk-field"><span>To</span><input type="date" name="until"></label>'
        '<label class="dk-tick"><input type="checkbox" name="unreviewed">Not reviewed yet</label>'
        '<label class="dk-tick"><input type="checkbox" name="disagreement">In disagreement</label>'
        '<button type="reset" class="dk-go">Show all</button></form>'
    )


def markup(cases: Sequence[CaseFile], current: str = "") -> str:
    """A row for each case."""
    if not cases:
        return (
            f'<div class="dk-empty">{icon("search")}<p>No case passes these filters. Cases come here when a file is '
            "examined in Analyze or Compare.</p></div>"
        )
    count = f"The {SHOWN} newest cases" if len(cases) == SHOWN else words.counted(len(cases), "case")
    rows = "".join(f"<li>{_row(case, current)}</li>" for case in cases)
    return f'<p class="dk-hint" role="status">{count}</p><ul class="dk-queue">{rows}</ul>'


def _row(case: CaseFile, current: str) -> str:
    asked = f"<small>{escape(case.question)}</small>" if case.question else ""
    return (
        f'<button type="button" data-case="{case.case_id}" aria-current="{"true" if case.case_id == current else "false"}">'
        f'<span class="dk-queue-name"><b>{escape(case.media.name)}</b><small>{escape(words.moment(case.opened_utc))}</small></span>'
        f"{asked}{_people(case)}<small>{escape(machines(case))}</small></button>"
    )


def _people(case: CaseFile) -> str:
    verdict = case.human_verdict
    if verdict is None:
        return '<span class="dk-said dk-tone-grey">Not reviewed yet</span>'
    title, mark, tone = HUMAN_WORDS[verdict]
    why = "reviewers differ" if disputed(case) else "overrides the detectors"
    return f'<span class="dk-said dk-tone-{tone}">{icon(mark)}<b>Human verdict: {title}</b> <em>{why}</em></span>'


def machines(case: CaseFile) -> str:
    """What the detectors say, each counted and none averaged."""
    if not case.results:
        return "Not examined by a detector yet"
    count = Counter(result.prediction for result in case.results)
    if len(case.results) == 1:
        (result,) = case.results
        return f"{result.model_name}: {result.grade.value}"
    said = ", ".join(f"{count[p]} {_plural(MACHINE_WORDS[p], count[p])}" for p in MACHINE_WORDS if count[p])
    return f"{len(case.results)} detectors: {said}"


def _plural(text: str, count: int) -> str:
    return text.replace("suspects", "suspect") if count > 1 else text
