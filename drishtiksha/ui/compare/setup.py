"""What stands before a comparison: the plan of the run, and the link that leads back to it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from drishtiksha.errors import without_server_paths
from drishtiksha.render import words
from drishtiksha.services.plan import ModelPlan, RunPlan
from drishtiksha.ui.shared.templates import fill

_JOBS = re.compile(r"[0-9a-f]{32}(-[0-9a-f]{32})?")


def code_of(jobs: tuple[str, ...]) -> str:
    """The jobs of a comparison as it stands in a link: one of several models, or two of a pair of files."""
    return "-".join(jobs)


def jobs_of(code: str | None) -> tuple[str, ...]:
    """The job ids of a link; none for anything that is no such link."""
    return tuple(code.split("-")) if isinstance(code, str) and _JOBS.fullmatch(code) else ()


def plan(runs: Sequence[RunPlan]) -> str:
    """The plan in words: what runs, about how long, memory, and what must be loaded. One run a file; none yet: empty."""
    models = runs[0].models if runs else ()
    return fill(
        "compare/plan.html",
        summary=summary(runs) if models else "",
        models=[{"name": one.model_name, "runs": one.obstacle is None, "told": _told(one)} for one in models],
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
    told = words.between(sum(run.seconds[0] for run in runs), sum(run.seconds[1] for run in runs))
    told = f"{told[0].upper()}{told[1:]}"
    unknown = list(dict.fromkeys(name for run in runs for name in run.unknown))
    guessed = list(dict.fromkeys(name for run in runs for name in run.guessed))
    if len(unknown) == len(runs[0].runnable):
        return "How long it takes is not known yet: none of them has run on such a file here."
    if unknown:
        return f"{told} and what {', '.join(unknown)} will take: it has not run on such a file here."
    if guessed:
        return f"{told}, which is a guess: {', '.join(guessed)} has not run on such a file here."
    return f"{told}, as such files took here before."


def _told(model: ModelPlan) -> str:
    if model.obstacle is not None:
        return f"left out: {without_server_paths(model.obstacle)}"
    seconds = "time not known yet" if model.seconds is None else words.between(*model.seconds)
    loaded = "loaded" if model.state == "loaded" else "to be loaded"
    return f"{model.evidence.value}; {seconds}; {words.size(model.memory_bytes)}, {loaded}"
