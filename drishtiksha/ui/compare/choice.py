"""The detectors to compare as checkboxes, grouped by the kind of trace that they judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drishtiksha.registry import ModelStatus
from drishtiksha.render import words
from drishtiksha.results import MediaInfo
from drishtiksha.scoring import EXPERIMENTAL
from drishtiksha.ui.shared.picker import misfit_of
from drishtiksha.ui.shared.templates import fill


def picked(value: str | None) -> list[str]:
    """The chosen models of the component's value, each once."""
    return list(dict.fromkeys(name for name in (value or "").split("\n") if name))


def value_of(chosen: Sequence[str]) -> str:
    """The component's value for these names."""
    return "\n".join(chosen)


def one_of_each(statuses: Sequence[ModelStatus], media: MediaInfo | None) -> list[str]:
    """The first that can run now of each kind of trace; none that is experimental or retired."""
    kinds: dict[str, str] = {}
    for status in statuses:
        if status.can_examine(media) and status.config.proven:
            kinds.setdefault(status.config.evidence.value, status.name)
    return list(kinds.values())


def checkboxes(
    statuses: Sequence[ModelStatus], chosen: Sequence[str], media: MediaInfo | None = None, single: bool = False
) -> str:
    """Those that can run, a group for each kind of trace; the others folded away, each with its reason.

    single: one may be chosen, else any number.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    unable: list[dict[str, Any]] = []
    for status in sorted(statuses, key=lambda s: not s.config.proven):
        able = status.can_examine(media)
        card = {
            "status": status,
            "can_run": able,
            "chosen": status.name in chosen,
            "why": "" if able else _why_unable(status, media),
        }
        (groups.setdefault(status.config.evidence.value, []) if able else unable).append(card)
    return fill(
        "compare/choice.html",
        groups=groups,
        unable=unable,
        single=single,
        has_file=media is not None,
        experimental=EXPERIMENTAL,
    )


def _why_unable(status: ModelStatus, media: MediaInfo | None) -> str:
    """Why it cannot run: the file first, since weights would not help there."""
    reason = misfit_of(status, media)
    return f"Does not fit: {reason}" if reason else (status.remedy or words.MODEL_STATES[status.state])
