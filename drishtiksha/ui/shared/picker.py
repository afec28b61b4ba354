"""The model list: radio buttons grouped by media kind, each with its state, what it looks at, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from drishtiksha.contract import DetectorConfig
from drishtiksha.registry import ModelStatus
from drishtiksha.results import MediaInfo
from drishtiksha.scoring import EXPERIMENTAL

STATE_WORDS = {
    "loaded": "Loaded",
    "ready": "Loads on first use",
    "missing": "Weights missing",
    "broken": "Cannot be used",
}
SMALL_SIDE = 240
"""px: below it faces are likely too small for a face detector."""

PICKER_JS = """
const sync = () => element.querySelectorAll('input[name="dk-model"]').forEach(
  radio => { radio.checked = radio.value === props.value; });
element.addEventListener('change', event => {
  if (event.target.name === 'dk-model') { props.value = event.target.value; trigger('input'); }
});
watch(['markup', 'value'], sync);
"""


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

    if not statuses:
        return '<p class="dk-hint">No model is configured. Add one to configs/config.yaml.</p>'
    ordered = sorted(statuses, key=lambda status: (not status.can_examine(None), not status.config.proven))
    shown = [status for status in ordered if status.can_examine(media)]
    others = [status for status in ordered if not status.can_examine(media)]
    opened = not shown or any(status.name == selected for status in others)
    return _groups(shown, selected, media) + folded(len(others), _groups(others, selected, media), media, opened)


def folded(count: int, cards: str, media: MediaInfo | None, opened: bool = False) -> str:
    """The cards of those that cannot run, behind a line that says how many there are; empty for none."""
    if not count:
        return ""
    what = "cannot examine this file now" if media is not None else "cannot be used now"
    return (
        f'<details class="dk-others"{" open" if opened else ""}><summary>{count} more {what}</summary>{cards}</details>'
    )


def chips(status: ModelStatus) -> str:
    """Its state, and what warns of it, in a word each."""
    config = status.config
    words = [name for name, on in (("Experimental", config.experimental), ("Retired", config.retired)) if on]
    return f'<span class="dk-chip dk-{status.state}">{STATE_WORDS[status.state]}</span>' + "".join(
        f'<span class="dk-chip">{word}</span>' for word in words
    )


def _groups(statuses: Sequence[ModelStatus], selected: str | None, media: MediaInfo | None) -> str:
    groups: dict[str, list[ModelStatus]] = {}
    for status in statuses:
        groups.setdefault(made_for(status.config), []).append(status)
    return "".join(
        f'<fieldset class="dk-models"><legend>{escape(title)}</legend>'
        + "".join(_card(status, status.name == selected, media) for status in members)
        + "</fieldset>"
        for title, members in groups.items()
    )


def _card(status: ModelStatus, selected: bool, media: MediaInfo | None) -> str:
    config = status.config
    reason = _misfit(status, media) if media is not None else None
    more = [
        ("Caution", EXPERIMENTAL if config.experimental else ""),
        ("Looks at", config.looks_at),
        ("Cannot see", config.limits),
        ("To get it", status.remedy or ""),
        ("Licence", status.licence),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in more if text)
    return (
        f'<label class="dk-card{" dk-unfit" if reason else ""}">'
        f'<input type="radio" name="dk-model" value="{escape(status.name)}"{" checked" if selected else ""}>'
        f'<span class="dk-card-body"><span class="dk-card-top"><b>{escape(status.name)}</b>{chips(status)}</span>'
        f"<span>{escape(config.description)}</span>"
        + (f'<span class="dk-misfit">Does not fit: {escape(reason)}</span>' if reason else "")
        + f'<dl class="dk-card-more">{rows}</dl></span></label>'
    )


def _misfit(status: ModelStatus, media: MediaInfo) -> str | None:
    from drishtiksha.analysis.fit import misfit  # here, because the first page need not wait for it

    return misfit(media, status.config, status.name)
