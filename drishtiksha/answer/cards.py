"""What is known of the detector behind a result: its line, its family, what it misses, whether it counts."""

from __future__ import annotations

from dataclasses import dataclass

from drishtiksha.answer.texts import Texts
from drishtiksha.casefile import LINE_OF, LineKind
from drishtiksha.comparison import counts, evidence_of
from drishtiksha.results import AnalysisResult


@dataclass(frozen=True)
class Card:
    """A detector as an answer needs it."""

    model_name: str
    line: LineKind
    family: str
    misses: str
    counted: bool
    retired: bool = False


def card_of(result: AnalysisResult) -> Card:
    """From the configuration that the result was made with; a result of an older version tells less."""
    config = result.provenance.config
    line = config.get("line")
    return Card(
        model_name=result.model_name,
        line=LineKind(line) if line else LINE_OF[evidence_of(result)],
        family=str(config.get("family") or result.model_name),
        misses=str(config.get("misses") or config.get("limits") or ""),
        counted=counts(result),
        retired=bool(config.get("retired", False)),
    )


def misses_in(texts: Texts, card: Card) -> str:
    """What a detector does not see, in the language of the catalogue where that has it."""
    return texts.find(f"misses.{card.model_name}", card.misses)
