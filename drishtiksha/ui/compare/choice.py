"""The detectors to compare as checkboxes, grouped by the kind of trace that they judge."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from drishtiksha.registry import ModelStatus
from drishtiksha.results import MediaInfo
from drishtiksha.scoring import EXPERIMENTAL
from drishtiksha.ui.shared.picker import STATE_WORDS, chips, folded

PICKS_JS = """
const boxes = () => [...element.querySelectorAll('input[name="dk-pick"]')];
element.addEventListener('change', event => {
  if (event.target.name !== 'dk-pick') return;
  props.value = boxes().filter(box => box.checked).map(box => box.value).join('\\n');
  trigger('input');
});
watch(['markup', 'value'], () => {
  const chosen = (props.value || '').split('\\n');
  boxes().forEach(box => { box.checked = chosen.includes(box.value); });
});
"""
"""The value is the names, one a line: no name holds a line break."""


def names(value: str | None) -> list[str]:
    """The chosen models of the component's value, each once."""
    return list(dict.fromkeys(name for name in (value or "").split("\n") if name))


def value(chosen: Sequence[str]) -> str:
    """The component's value for these names."""
    return "\n".join(chosen)


def one_of_each(statuses: Sequence[ModelStatus], media: MediaInfo | None) -> list[str]:
    """The first that can run now of each kind of trace; none that is experimental or retired."""
    kinds: dict[str, str] = {}
    for status in statuses:
        if status.can_examine(media) and status.config.proven:
            kinds.setdefault(status.config.evidence.value, status.name)
    return list(kinds.values())


def markup(
    statuses: Sequence[ModelStatus], chosen: Sequence[str], media: MediaInfo | None = None, single: bool = False
) -> str:
    """Those that can run, a group for each kind of trace; the others folded away, each with its reason.

    single: one may be chosen, else any number.
    """
    groups: dict[str, list[str]] = {}
    others = []
    for status in sorted(statuses, key=lambda s: not s.config.proven):
        card = _card(status, status.name in chosen, media, single)
        if status.can_examine(media):
            groups.setdefault(status.config.evidence.value, []).append(card)
        else:
            others.append(card)
    if not groups and not others:
        return '<p class="dk-hint">No model is configured. Add one to configs/config.yaml.</p>'
    shown = "".join(
        f'<fieldset class="dk-models"><legend>Judges {escape(kind)}</legend>{"".join(cards)}</fieldset>'
        for kind, cards in groups.items()
    )
    if not shown:
        shown = '<p class="dk-hint">No detector can examine this file now. The reasons stand below.</p>'
    return shown + folded(len(others), f'<div class="dk-models">{"".join(others)}</div>', media)


def _card(status: ModelStatus, chosen: bool, media: MediaInfo | None, single: bool) -> str:
    config = status.config
    able = status.can_examine(media)
    more = [("Looks at", config.looks_at), ("Cannot see", config.limits)]
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in more if text)
    about = (
        f'<details><summary>What it looks at</summary><dl class="dk-card-more">{rows}</dl></details>' if rows else ""
    )
    caution = f'<span class="dk-hint">{escape(EXPERIMENTAL)}</span>' if config.experimental else ""
    why = "" if able else f'<span class="dk-misfit">{escape(_reason(status, media))}</span>'
    return (
        f'<label class="dk-card{"" if able else " dk-unfit"}"><input type="{"radio" if single else "checkbox"}" name="dk-pick" '
        f'value="{escape(status.name)}"{" checked" if chosen and able else ""}{"" if able else " disabled"}>'
        f'<span class="dk-card-body"><span class="dk-card-top"><b>{escape(status.name)}</b>{chips(status)}</span>'
        f"<span>{escape(config.description)}</span>{caution}{why}{about}</span></label>"
    )


def _reason(status: ModelStatus, media: MediaInfo | None) -> str:
    """Why it cannot run: the file first, since weights would not help there."""
    from drishtiksha.analysis.fit import misfit  # here, because the first page need not wait for it

    reason = misfit(media, status.config, status.name) if media is not None else None
    return f"Does not fit: {reason}" if reason else (status.remedy or STATE_WORDS[status.state])
