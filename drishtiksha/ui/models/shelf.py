"""The models on the shelf: for each its state, what is known of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from drishtiksha.registry import ModelStatus
from drishtiksha.render import words
from drishtiksha.scoring import EXPERIMENTAL
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.picker import chips, made_for
from drishtiksha.weights import Part, announced, bytes_of, fetchable, origin, parts, sources

RETIRED = "Retired: kept so that old results can be repeated. Do not rely on it."
NOT_MEASURED = "Not measured here, and no measurement by others is known to us."
SHELF_JS = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-action]');
  if (button) trigger('click', {model: button.dataset.model, action: button.dataset.action});
});
const open = new Set();
element.addEventListener('toggle', event => {
  const card = event.target;
  if (card.matches('details[data-card]')) open[card.open ? 'add' : 'delete'](card.dataset.card);
}, true);
new MutationObserver(() => element.querySelectorAll('details[data-card]').forEach(
  card => { if (open.has(card.dataset.card)) card.open = true; })).observe(element, {childList: true, subtree: true});
"""
"""Tells which button was pressed, and keeps cards open when the list is drawn anew."""


@dataclass(frozen=True)
class Offer:
    """A download that waits for its licence to be accepted. bytes: of each file, by the companion's name; None: not told."""

    model: str
    bytes: Mapping[str, int | None]


def offer(desk: Desk, name: str) -> Offer:
    """What may be fetched for a model, and how large the servers say that it is. Raises: DownloadError."""
    files = [part for part in desk.manager.missing(name) if fetchable(part.source)]
    return Offer(name, {part.name: announced(part.source, part.path).bytes for part in files})


def markup(desk: Desk, asked: Offer | None = None) -> str:
    """All models as HTML. `asked`: the download that waits for its licence to be accepted."""
    statuses = desk.models()
    usable = sum(status.state in ("ready", "loaded") for status in statuses)
    head = f'<p class="dk-hint">{usable} of {len(statuses)} models can be used now.</p>'
    return head + "".join(card(desk, s, asked if asked and asked.model == s.name else None) for s in statuses)


def card(desk: Desk, status: ModelStatus, asked: Offer | None) -> str:
    """One model: a line that is always there, and its card to unfold."""
    config = status.config
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in facts(desk, status) if text)
    return (
        f'<details class="dk-shelf" data-card="{escape(status.name)}"{" open" if asked else ""}><summary><b>{escape(status.name)}</b>'
        f"{chips(status)}"
        f'<span class="dk-hint">{escape(made_for(config))}</span></summary>'
        f"<p>{escape(config.description)}</p><dl>{rows}</dl>{_buttons(desk, status, asked)}</details>"
    )


def facts(desk: Desk, status: ModelStatus) -> list[tuple[str, str]]:
    """What the card says, as (what, value); an empty value is left out."""
    config, detector = status.config, desk.manager.loaded(status.name)
    caution = [text for text, on in ((RETIRED, config.retired), (EXPERIMENTAL, config.experimental)) if on]
    rows = [
        ("Caution", " ".join(caution)),
        ("Looks at", config.looks_at),
        ("Known failures", config.limits),
        ("Trained on", config.trained_on),
        ("Measured", words.measured(config) or NOT_MEASURED),
        ("Method", config.paper),
        ("Licence", _licences(parts(config))),
        ("Comes from", "; ".join(sources(config))),
        ("Size", _sizes(parts(config))),
        ("To get it", status.remedy or ""),
    ]
    if detector is None:
        return [*rows, ("Parameters", "known once it is loaded")]
    device = detector.run_facts()
    return [
        *rows,
        ("Parameters", f"{detector.parameters / 1e6:.1f} million"),
        ("Device", f"{device['device']}, {device['dtype']}"),
        ("Memory", f"{detector.memory_bytes / 1e6:.0f} MB"),
        ("Loaded in", f"{detector.load_seconds or 0.0:.2f} s"),
    ]


def _sizes(files: list[Part]) -> str:
    """Of every file that is here, the companions by name: "2.3 GB; averages 12.0 MB"."""
    held = [(part.name, bytes_of(part.path, part.source)) for part in files]
    return "; ".join(f"{name} {size / 1e6:.1f} MB".strip() for name, size in held if size)


def _licences(files: list[Part]) -> str:
    """Of every file, the companions by name where theirs is another one."""
    own = files[0].source.licence
    return "; ".join([own, *(f"{p.name}: {p.source.licence}" for p in files[1:] if p.source.licence != own)])


def _buttons(desk: Desk, status: ModelStatus, asked: Offer | None) -> str:
    if not desk.settings.manage_models:
        return ""
    if status.state == "loaded":
        return _button(status.name, "unload", "Unload")
    if status.state == "ready":
        return _button(status.name, "load", "Load now")
    if status.state != "missing" or not fetchable(status.config.weights):
        return ""
    if asked is None:
        return _button(status.name, "ask", "Download …")
    told = "".join(_terms(part, asked.bytes[part.name]) for part in parts(status.config) if part.name in asked.bytes)
    return told + _button(status.name, "pull", "Accept the licence and download")


def _terms(part: Part, count: int | None) -> str:
    size = f"and has {words.size(count)}" if count else "and its server does not say how large it is"
    return (
        f'<p class="dk-misfit">The licence of {escape(part.name or "this checkpoint")}: {escape(part.source.licence)}. '
        f"It comes from {escape(origin(part.source) or '')} {size}.</p>"
    )


def _button(name: str, action: str, label: str) -> str:
    return (
        f'<button type="button" class="dk-act" data-model="{escape(name)}" data-action="{action}">{label}'
        f'<span class="dk-quiet"> {escape(name)}</span></button>'
    )
