"""What a run would take, before it is started: which models fit, about how long, how much memory, what must be loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from drishtiksha.casefile import EvidenceKind, Seconds
from drishtiksha.registry import ModelManager, ModelStatus
from drishtiksha.results import Frozen, MediaInfo
from drishtiksha.services.estimates import guess
from drishtiksha.weights import bytes_of, parts


class ModelPlan(Frozen):
    """What running one model on a file would take."""

    model_name: str
    evidence: EvidenceKind
    state: Literal["loaded", "ready", "missing", "broken"]
    obstacle: str | None = Field(description="why it cannot run, with the remedy; None when it can")
    memory_bytes: int = Field(description="its weights: in memory where loaded, else on disk; 0 where they are missing")
    seconds: Seconds | None = Field(
        description="between how many seconds it will take; None where nothing is known of it"
    )
    guessed: bool = Field(default=False, description="it has not run on such media here: the seconds are no experience")


class RunPlan(Frozen):
    """What running several models one after the other on a file would take."""

    models: tuple[ModelPlan, ...]

    @property
    def runnable(self) -> tuple[ModelPlan, ...]:
        return tuple(model for model in self.models if model.obstacle is None)

    @property
    def to_load(self) -> tuple[str, ...]:
        """The models that are read from disk first."""
        return tuple(model.model_name for model in self.runnable if model.state == "ready")

    @property
    def memory_bytes(self) -> int:
        """Weights of all models that run; what the frames of a file need comes on top."""
        return sum(model.memory_bytes for model in self.runnable)

    @property
    def seconds(self) -> Seconds:
        """Of all models of which something is known."""
        known = [model.seconds for model in self.runnable if model.seconds is not None]
        return sum(low for low, _ in known), sum(high for _, high in known)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The models of which no time is known."""
        return tuple(model.model_name for model in self.runnable if model.seconds is None)

    @property
    def guessed(self) -> tuple[str, ...]:
        """The models whose time is a guess."""
        return tuple(model.model_name for model in self.runnable if model.guessed and model.seconds is not None)


def plan(
    media: MediaInfo, models: Sequence[str], manager: ModelManager, seconds_seen: Mapping[str, Seconds]
) -> RunPlan:
    """The plan for these models on this file. Nothing is loaded.

    seconds_seen: model name -> between how many seconds it will take, by its runs on such media here.
    Raises: ModelRegistryError for a name that is not configured.
    """
    return RunPlan(
        models=tuple(_of_model(media, manager, name, seconds_seen.get(name)) for name in dict.fromkeys(models))
    )


def fitting(statuses: Iterable[ModelStatus], media: MediaInfo) -> list[str]:
    """All that can examine this file now and are not retired, in the order of the configuration."""
    return [s.name for s in statuses if s.can_examine(media) and not s.config.retired]


def _of_model(media: MediaInfo, manager: ModelManager, name: str, seen: Seconds | None) -> ModelPlan:
    from drishtiksha.analysis.fit import misfit  # here, because a list of models need not wait for it

    status = manager.status(name)
    loaded = manager.loaded_facts(name)
    held = sum(bytes_of(part.path, part.source) for part in parts(status.config))
    obstacle = misfit(media, status.config, name) or (None if status.can_examine(None) else status.remedy)
    return ModelPlan(
        model_name=name,
        evidence=status.config.evidence,
        state=status.state,
        obstacle=obstacle,
        memory_bytes=held if loaded is None else loaded.memory_bytes,
        seconds=seen or guess(manager, name, media),
        guessed=seen is None,
    )
