"""What stands before a comparison: the plan of the run, and the link that leads back to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from drishtiksha.errors import without_server_paths
from drishtiksha.render import words
from drishtiksha.services.plan import ModelPlan, RunPlan
from drishtiksha.ui.shared.icons import icon

_JOBS = re.compile(r"[0-9a-f]{32}(-[0-9a-f]{32})?")

OPEN_TAB_JS = """async () => {
  if (!new URLSearchParams(window.location.search).get('compare')) return [];
  const find = () => [...document.querySelectorAll('[role=tab]')].find(one => one.textContent.trim() === 'Compare');
  for (let tries = 0; tries < 200 && !document.querySelector('#dk-compare'); tries++) {
    const tab = find();
    if (tab && tab.getAttribute('aria-selected') !== 'true') tab.click();
    await new Promise(done => setTimeout(done, 50));
  }
  await new Promise(requestAnimationFrame);
  return [];
}"""
"""Ends when the tab is laid out, so that the comparison is asked for once there is a place for it."""


def code_of(jobs: tuple[str, ...]) -> str:
    """The jobs of a comparison as it stands in a link: one of several models, or two of a pair of files."""
    return "-".join(jobs)


def jobs_of(code: str | None) -> tuple[str, ...]:
    """The job ids of a link; none for anything that is no such link."""
    return tuple(code.split("-")) if isinstance(code, str) and _JOBS.fullmatch(code) else ()


def plan(runs: Sequence[RunPlan]) -> str:
    """The plan in words: what runs, about how long, memory, and what must be loaded. One run a file; none yet: empty."""
    if not runs or not runs[0].models:
        return '<p class="dk-hint dk-plan-empty">The plan of the run appears here once a file and detectors are chosen.</p>'
    rows = "".join(_row(model) for model in runs[0].models)
    return (
        f'<section class="dk-plan" aria-label="Plan of the run"><p>{escape(summary(runs))}</p>'
        f"<details><summary>Detector by detector</summary><ul>{rows}</ul></details></section>"
    )


def summary(runs: Sequence[RunPlan]) -> str:
    """The plan in a few sentences. At least one run is needed."""
    run = runs[0]
    count = len(run.runnable)
    if not all(one.runnable for one in runs):
        return "None of the chosen detectors can examine " + ("both files." if len(runs) > 1 else "this file.")
    kinds = len({model.evidence for model in run.runnable})
    on = "two files, one after the other" if len(runs) > 1 else "this file, which is decoded once for all of them"
    parts = [
        f"{words.counted(count, 'detector')}, {words.counted(kinds, 'kind')} of trace, on {on}.",
        _time(runs),
        f"Their weights take {words.size(run.memory_bytes)} of memory.",
    ]
    if run.to_load:
        parts.append(f"To be loaded first: {', '.join(run.to_load)}.")
    if left := [model.model_name for model in run.models if model.obstacle is not None]:
        parts.append(f"Left out, because they cannot examine it: {', '.join(left)}.")
    return " ".join(parts)


def _time(runs: Sequence[RunPlan]) -> str:
    known = words.duration(sum(run.known_seconds for run in runs))
    unknown = list(dict.fromkeys(name for run in runs for name in run.unknown))
    if not unknown:
        return f"About {known}, as such files took here before."
    if len(unknown) == len(runs[0].runnable):
        return "How long it takes is not known yet: none of them has run on such a file here."
    return f"About {known} and what {', '.join(unknown)} will take: it has not run on such a file here."


def _row(model: ModelPlan) -> str:
    if model.obstacle is not None:
        told = f"left out: {without_server_paths(model.obstacle)}"
    else:
        seconds = "time not known yet" if model.seconds is None else f"about {words.duration(model.seconds)}"
        loaded = "loaded" if model.state == "loaded" else "to be loaded"
        told = f"{model.evidence.value}; {seconds}; {words.size(model.memory_bytes)}, {loaded}"
    sign = icon("broken" if model.obstacle is not None else "check")
    return f"<li>{sign}<span><b>{escape(model.model_name)}</b> {escape(told)}</span></li>"
