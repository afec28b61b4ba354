"""The model list: radio buttons grouped by media kind, each with its state, what it looks at, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence

from drishtiksha.contract import DetectorConfig
from drishtiksha.registry import ModelStatus
from drishtiksha.results import MediaInfo
from drishtiksha.scoring import EXPERIMENTAL
from drishtiksha.ui.shared.templates import fill

SMALL_SIDE = 240
"""px: below it faces are likely too small for a face detector."""


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


def remarks(statuses: Sequence[ModelStatus], chosen: str | None, media: MediaInfo) -> list[str]:
    """Fitness of a file for the chosen model, in sentences: a misfit, or what may weaken the answer or add to it."""
    from drishtiksha.analysis.fit import unfit  # here, because the first page need not wait for it

    status = next((status for status in statuses if status.name == chosen), None)
    if status is None:
        return []
    config = status.config
    if (reason := unfit(media, config, config.model_name)) is not None:
        return [reason]
    if not status.can_examine(None):
        return [f"{config.model_name} would fit this file but cannot run yet: see what is missing on its card."]
    found = [f"{config.model_name} can examine this file."]
    if config.only_hears(media):
        return [*found, "It listens to the sound alone and judges nothing in the picture."]
    if media.width and media.height and min(media.width, media.height) < SMALL_SIDE:
        found.append(f"It is only {media.width} × {media.height} px on screen: faces may be too small to judge.")
    if config.isMultiModal and not media.has_audio:
        found.append("It has no sound track, which this model also needs.")
    if listener := next((status for status in _offered(statuses, media) if status.config.only_hears(media)), None):
        found.append(f"This video has sound. {listener.name} can listen to it: choose it for a second analysis.")
    return found


def choose(statuses: Sequence[ModelStatus], current: str | None, media: MediaInfo | None) -> str | None:
    """The model to select: the current one while it was made for this kind of file, else the first usable that was,
    else the first. One that is experimental is selected by a person only."""
    by_name = {status.name: status for status in statuses}
    if current in by_name and (media is None or _made_for_all_of(by_name[current], media)):
        return current
    default = [status for status in statuses if status.config.proven]
    if media is None:
        offered = [status for status in default if status.can_examine(None)]
        return next((status.name for status in (*offered, *default)), None)
    offered = sorted(_offered(statuses, media), key=lambda status: status.config.only_hears(media))
    fitting = [status for status in default if status.config.accepts(media)]
    return next((status.name for status in (*offered, *fitting, *default)), None)


def _made_for_all_of(status: ModelStatus, media: MediaInfo) -> bool:
    return status.config.accepts(media) and not status.config.only_hears(media)


def _offered(statuses: Sequence[ModelStatus], media: MediaInfo) -> list[ModelStatus]:
    """Those that can examine this file now and proved themselves."""
    return [status for status in statuses if status.can_examine(media) and status.config.proven]


def markup(statuses: Sequence[ModelStatus], selected: str | None, media: MediaInfo | None = None) -> str:
    """The list as HTML, in groups: those that can examine the file now, and the others folded away with their reasons."""
    ordered = sorted(statuses, key=lambda status: (not status.can_examine(None), not status.config.proven))
    able: dict[str, list[ModelStatus]] = {}
    unable: dict[str, list[ModelStatus]] = {}
    for status in ordered:
        group = able if status.can_examine(media) else unable
        group.setdefault(made_for(status.config), []).append(status)
    return fill(
        "shared/models.html",
        able=able,
        unable=unable,
        selected=selected,
        reasons={status.name: misfit_of(status, media) for status in ordered},
        has_file=media is not None,
        opened=not able or any(status.name == selected for members in unable.values() for status in members),
        experimental=EXPERIMENTAL,
    )


def misfit_of(status: ModelStatus, media: MediaInfo | None) -> str | None:
    """Why a model does not fit the file; None where it does, or where there is no file."""
    from drishtiksha.analysis.fit import misfit  # here, because the first page need not wait for it

    return misfit(media, status.config, status.name) if media is not None else None
