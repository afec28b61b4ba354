"""Detectors to choose from as checkboxes, grouped by the kind of trace that they judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drishtiksha.contract import DetectorConfig
from drishtiksha.registry import ModelStatus
from drishtiksha.render import words
from drishtiksha.results import MediaInfo
from drishtiksha.scoring import EXPERIMENTAL
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
    statuses: Sequence[ModelStatus],
    chosen: Sequence[str],
    media: MediaInfo | None = None,
    single: bool = False,
    able_only: bool = False,
) -> str:
    """Those that can run, a group for each kind of trace; the others folded away, each with its reason.

    single: one may be chosen, else any number. able_only: those that cannot run are left out.
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
        "shared/choice.html",
        groups=groups,
        unable=[] if able_only else unable,
        single=single,
        has_file=media is not None,
        experimental=EXPERIMENTAL,
    )


def _why_unable(status: ModelStatus, media: MediaInfo | None) -> str:
    """Why it cannot run: the file first, since weights would not help there."""
    reason = misfit_of(status, media)
    return f"Does not fit: {reason}" if reason else (status.remedy or words.MODEL_STATES[status.state])


def made_for(config: DetectorConfig) -> str:
    """ "Pictures and video", the heading that a model stands under."""
    if config.isMultiModal:
        return "Video with sound"
    names = [
        name
        for name, flag in (("pictures", config.isImage), ("video", config.isVideo), ("sound", config.isAudio))
        if flag
    ]
    return " and ".join(names).capitalize() or "Other"


def misfit_of(status: ModelStatus, media: MediaInfo | None) -> str | None:
    """Why a model does not fit the file; None where it does, or where there is no file."""
    from drishtiksha.analysis.fit import misfit  # here, because the first page need not wait for it

    return misfit(media, status.config, status.name) if media is not None else None
