"""The files of one `predict`: which model examines each, what an earlier run knows of it, and how it is told."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from drishtiksha.batch.lines import Document, ResultLines
from drishtiksha.batch.sources import Sources
from drishtiksha.cli.batches import Done, FileByFile
from drishtiksha.cli.console import err, out, reported
from drishtiksha.errors import DrishtikshaError, MediaError, ModelFailedError, WrongMediaKindError
from drishtiksha.registry import ModelManager
from drishtiksha.render.words import found_again, licence
from drishtiksha.results import DISCLAIMER, AnalysisResult, Prediction

if TYPE_CHECKING:
    from drishtiksha.media.evidence import Evidence


class Predicting(FileByFile):
    """One detector for each file: the named one, or the first that fits."""

    kinds = tuple(prediction.value for prediction in Prediction)
    remarkable = "are FAKE"

    def __init__(
        self,
        manager: ModelManager,
        model: str | None,
        track: int | None,
        explain: Path | None,
        sources: Sources,
        kept: ResultLines | None,
        *,
        quiet: bool,
    ) -> None:
        super().__init__(sources, kept, quiet=quiet)
        self._manager, self.model, self._track, self._explain = manager, model, track, explain
        self._recipes: dict[str, str] = {}

    def examine(self, file: Path, path: str, label: str) -> Done:
        evidence, model = self._opened(file, label)
        before = self._before(evidence, model, path)
        if before is not None:
            return Done(before, known=True)
        result = self._examined(evidence, model, path, label)
        draw, show = partial(self._draw, evidence, result), partial(print_result, result, label)
        return Done(result.model_dump(mode="json"), draw=draw, show=show)

    def kind(self, document: Document) -> str:
        return str(document["prediction"])

    def remark(self, document: Document) -> tuple[float, str] | None:
        fake = document["prediction"] == Prediction.FAKE
        return (document["p_fake"], f"{document['p_fake']:.3f}") if fake else None

    def ends_all(self, error: DrishtikshaError) -> bool:
        """What is wrong with the model that was named is so at every file."""
        return self.model is not None and not isinstance(error, MediaError | ModelFailedError)

    def _opened(self, file: Path, label: str) -> tuple[Evidence, str]:
        """The evidence and the model that examines it. Raises: MediaError; ModelRegistryError where no model fits."""
        from drishtiksha.analysis.fit import unfit
        from drishtiksha.media.evidence import Evidence

        evidence = Evidence.open(file, self._manager.settings.limits)
        if self._track is not None:
            evidence = evidence.only(self._track)
        if self.model is None:
            model = self._manager.default_model(evidence.media, self._track)
            err.print(f"{label}: no model was named, so {model} examines it.", markup=False, highlight=False)
            return evidence, model
        if reason := unfit(evidence.media, self._manager.status(self.model).config, self.model):
            raise WrongMediaKindError(reason)
        return evidence, self.model

    def _before(self, evidence: Evidence, model: str, path: str) -> Document | None:
        """The result of an earlier run of the same command."""
        if self.kept is None or not len(self.kept):
            return None
        from drishtiksha.analysis.recipe import recipe_of

        if model not in self._recipes:
            with self._manager.use(model) as detector:
                self._recipes[model] = recipe_of(detector, self._track)
        explained = self._explain is not None
        return self.kept.find(path, evidence.media.sha256, model, self._recipes[model], explained=explained)

    def _examined(self, evidence: Evidence, model: str, path: str, label: str) -> AnalysisResult:
        from drishtiksha.services.runs import examine

        explain = self._explain is not None
        with reported(label) as show:
            (result,) = examine(evidence, [model], self._manager, show, explain=explain).required().results
        return result.model_copy(update={"path": path})

    def _draw(self, evidence: Evidence, result: AnalysisResult) -> None:
        from drishtiksha.render.moments import write_moments

        if self._explain is not None:
            for picture in write_moments(evidence, result, self._explain, self._manager.settings.limits):
                err.print(f"Wrote {picture}", markup=False, highlight=False)


def print_result(result: AnalysisResult, label: str) -> None:
    """`label`: what the file is called."""
    score = "not scored" if result.p_fake is None else f"p_fake {result.p_fake:.3f}"
    out.print(f"[bold]{escape(label)}[/bold]: {result.grade.value} ({result.prediction.value}, {score})")
    judged = sum(s.p_fake is not None for s in result.scores)
    out.print(
        f"  {result.model_name} judged {judged} of {len(result.scores)} samples in {result.processing_time:.1f} s"
    )
    for reason in result.reasons:
        out.print(f"  {reason}", markup=False)
    for one in result.tracks:
        found = "not scored" if one.p_fake is None else f"p_fake {one.p_fake:.3f}"
        decides = ", this one decides" if one.decides and len(result.tracks) > 1 else ""
        out.print(f"  {one.label.capitalize()}: {found} ({one.grade.value}){decides}", markup=False)
    for note in result.notes:
        out.print(f"  {note}", markup=False)
    run = result.provenance
    out.print(f"  Licence of the weights: {licence(run.licence, run.licence_class)}", markup=False)
    for person in result.seen_enough:
        span = f"{person.first_s:.1f}-{person.last_s:.1f} s{found_again(person.cuts)}"
        out.print(f"  Person {person.person}, {span}: p_fake {person.p_fake:.3f} ({person.grade.value})", markup=False)
    if result.prediction is Prediction.FAKE:
        out.print(f"  A score is not proof. {DISCLAIMER}", markup=False)
