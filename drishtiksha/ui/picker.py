"""The model list: radio buttons grouped by media kind, each with its state, what it looks at, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from drishtiksha.contract import DetectorConfig
from drishtiksha.registry import ModelStatus
from drishtiksha.render.facts import KIND_NAMES
from drishtiksha.results import MediaInfo, MediaKind

STATE_WORDS = {
    "loaded": "Loaded",
    "ready": "Loads on first use",
    "missing": "Weights missing",
    "broken": "Cannot be used",
}
UNUSABLE = ("missing", "broken")
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


def misfit(config: DetectorConfig, media: MediaInfo) -> str | None:
    """Why the model cannot look at this file, in words; None when it can."""
    if config.accepts(media):
        return None
    if config.isAudio and media.kind is MediaKind.VIDEO:
        return "This video has no sound track, and the model listens to sound."
    kind = KIND_NAMES[media.kind].lower()
    return f"Made for {made_for(config).lower()}; this file is a {kind} file."


def remarks(config: DetectorConfig, media: MediaInfo) -> list[str]:
    """Fitness of a file for a model, in sentences: a misfit, or what may weaken the answer."""
    from drishtiksha.analysis.fit import unfit  # here, because the first page need not wait for it

    if (reason := unfit(media, config, config.model_name)) is not None:
        return [reason]
    found = [f"{config.model_name} can examine this file."]
    if media.width and media.height and min(media.width, media.height) < SMALL_SIDE:
        found.append(f"It is only {media.width} × {media.height} px on screen: faces may be too small to judge.")
    if config.isMultiModal and not media.has_audio:
        found.append("It has no sound track, which this model also needs.")
    return found


def choose(statuses: Sequence[ModelStatus], current: str | None, media: MediaInfo | None) -> str | None:
    """The model to select: the current one while it fits, else the first usable that fits, else the first."""
    by_name = {status.name: status for status in statuses}
    if current in by_name and (media is None or by_name[current].config.accepts(media)):
        return current
    fitting = [status for status in statuses if media is None or status.config.accepts(media)]
    usable = [status for status in fitting if status.state not in UNUSABLE]
    return next((status.name for status in (*usable, *fitting, *statuses)), None)


def markup(statuses: Sequence[ModelStatus], selected: str | None, media: MediaInfo | None = None) -> str:
    """The list as HTML: groups in order of first appearance, usable models first within each."""
    groups: dict[str, list[ModelStatus]] = {}
    for status in sorted(statuses, key=lambda status: status.state in UNUSABLE):
        groups.setdefault(made_for(status.config), []).append(status)
    if not groups:
        return '<p class="dk-hint">No model is configured. Add one to configs/config.yaml.</p>'
    return "".join(
        f'<fieldset class="dk-models"><legend>{escape(title)}</legend>'
        + "".join(_card(status, status.name == selected, media) for status in members)
        + "</fieldset>"
        for title, members in groups.items()
    )


def _card(status: ModelStatus, selected: bool, media: MediaInfo | None) -> str:
    config = status.config
    reason = misfit(config, media) if media is not None else None
    experimental = '<span class="dk-chip">Experimental</span>' if config.experimental else ""
    more = [
        ("Looks at", config.looks_at),
        ("Cannot see", config.limits),
        ("To get it", status.remedy or ""),
        ("Licence", status.licence),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in more if text)
    return (
        f'<label class="dk-card{" dk-unfit" if reason else ""}">'
        f'<input type="radio" name="dk-model" value="{escape(status.name)}"{" checked" if selected else ""}>'
        f'<span class="dk-card-body"><span class="dk-card-top"><b>{escape(status.name)}</b>'
        f'<span class="dk-chip dk-{status.state}">{STATE_WORDS[status.state]}</span>{experimental}</span>'
        f"<span>{escape(config.description)}</span>"
        + (f'<span class="dk-misfit">Does not fit: {escape(reason)}</span>' if reason else "")
        + f'<dl class="dk-card-more">{rows}</dl></span></label>'
    )
