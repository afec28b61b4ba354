"""The models on the shelf: for each its state, what is known of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drishtiksha.registry import ModelStatus
from drishtiksha.render import words
from drishtiksha.scoring import EXPERIMENTAL
from drishtiksha.ui.shared.choice import made_for
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.templates import fill
from drishtiksha.weights import Part, announced, bytes_of, fetchable, licences, origin, parts, sources

TOGETHER = "recommended"
"""Stands for all recommended models where a button names one."""
RETIRED = "Retired: kept so that old results can be repeated. Do not rely on it."
NOT_MEASURED = "Not measured here, and no measurement by others is known to us."


@dataclass(frozen=True)
class Offer:
    """A download that waits for its licence to be accepted. bytes: of each file, by the companion's name; None: not told."""

    model: str
    bytes: Mapping[str, int | None]


def offer(desk: Desk, name: str) -> Offer:
    """What may be fetched for a model, and how large the servers say that it is. Raises: DownloadError."""
    files = [part for part in desk.manager.missing(name) if fetchable(part.source)]
    return Offer(name, {part.name: announced(part.source, part.path).bytes for part in files})


def recommended(desk: Desk) -> list[ModelStatus]:
    """The models that the configuration recommends and whose files are not all here."""
    return [s for s in desk.models() if s.config.recommended and s.state == "missing" and fetchable(s.config.weights)]


def cards(desk: Desk, asked: Offer | None = None, together: Sequence[Offer] = (), *, at_work: bool = False) -> str:
    """All models as HTML: for each a line, and its card to unfold. `asked`: the download whose licence is to be accepted;
    `together`: those of the recommended models. at_work: no button can be pressed until what one of them began has ended."""
    statuses = desk.models()
    usable = sum(status.state in ("ready", "loaded") for status in statuses)
    ordered = sorted(statuses, key=lambda s: (not s.can_examine(None), not s.config.recommended))
    cards = [_card(desk, s, asked if asked and asked.model == s.name else None) for s in ordered]
    return fill(
        "models/shelf.html",
        usable=usable,
        cards=cards,
        together=_together(desk, together),
        at_work=at_work,
        may_add=desk.settings.manage_models,
    )


def _together(desk: Desk, asked: Sequence[Offer]) -> dict[str, Any] | None:
    """What the button for the recommended models says; None where there is none of them to fetch."""
    absent = recommended(desk)
    if not absent or not desk.settings.manage_models:
        return None
    offers = {offer.model: offer for offer in asked}
    terms = [(s.name, _terms(s, offers[s.name])) for s in absent if s.name in offers]
    sizes = [size for offer in asked for size in offer.bytes.values()]
    return {
        "names": [status.name for status in absent],
        "terms": terms,
        "bytes": sum(size or 0 for size in sizes) if sizes and all(sizes) else None,
        "model": TOGETHER,
        "action": ("pull", "Accept these licences and download all")
        if terms
        else ("ask", "Download the recommended models …"),
    }


def _card(desk: Desk, status: ModelStatus, asked: Offer | None) -> dict[str, Any]:
    action = _action(desk, status, asked)
    return {
        "status": status,
        "made_for": made_for(status.config),
        "facts": facts(desk, status),
        "opened": asked is not None,
        "terms": _terms(status, asked) if asked and action else [],
        "action": action,
    }


def facts(desk: Desk, status: ModelStatus) -> list[tuple[str, str]]:
    """What the card says, as (what, value); an empty value is left out."""
    config, loaded = status.config, desk.manager.loaded_facts(status.name)
    caution = [text for text, on in ((RETIRED, config.retired), (EXPERIMENTAL, config.experimental)) if on]
    rows = [
        ("Caution", " ".join(caution)),
        ("Looks at", config.looks_at),
        ("Known failures", config.limits),
        ("Trained on", config.trained_on),
        ("Measured", words.measured(config) or NOT_MEASURED),
        ("Method", config.paper),
        ("Licence", words.licence(licences(parts(config)), status.licence_class)),
        ("Comes from", "; ".join(sources(config))),
        ("Size", _sizes(parts(config))),
        ("To get it", "" if _action(desk, status, None) else status.remedy or ""),
    ]
    if loaded is None:
        return [*rows, ("Parameters", "known once it is loaded")]
    return [
        *rows,
        ("Parameters", f"{loaded.parameters / 1e6:.1f} million"),
        ("Device", f"{loaded.device}, {loaded.dtype}"),
        ("Memory", f"{loaded.memory_bytes / 1e6:.0f} MB"),
        ("Loaded in", f"{loaded.load_seconds:.2f} s"),
    ]


def _sizes(files: list[Part]) -> str:
    """Of every file that is here, the companions by name: "2.3 GB; averages 12.0 MB"."""
    held = [(part.name, bytes_of(part.path, part.source)) for part in files]
    return "; ".join(f"{name} {size / 1e6:.1f} MB".strip() for name, size in held if size)


def _action(desk: Desk, status: ModelStatus, asked: Offer | None) -> tuple[str, str] | None:
    """What the card's button does, and its label."""
    if not desk.settings.manage_models:
        return None
    if status.state == "loaded":
        return "unload", "Unload"
    if status.state == "ready":
        return "load", "Load now"
    if status.state != "missing" or not fetchable(status.config.weights):
        return None
    return ("ask", "Download …") if asked is None else ("pull", "Accept the licence and download")


def _terms(status: ModelStatus, asked: Offer) -> list[dict[str, Any]]:
    """Of each file to be fetched: its name, licence, origin and bytes."""
    return [
        {
            "name": part.name,
            "licence": words.licence(part.source.licence, part.source.licence_class),
            "origin": origin(part.source),
            "bytes": asked.bytes[part.name],
        }
        for part in parts(status.config)
        if part.name in asked.bytes
    ]
