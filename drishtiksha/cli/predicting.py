"""The files of one `predict`, one after the other: each result is kept before the next file is opened."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from drishtiksha.batch.lines import Document, ResultLines
from drishtiksha.batch.sources import Sources, written
from drishtiksha.cli.console import Exit, err, exit_code, out, reported
from drishtiksha.errors import MediaError, ModelFailedError, WrongMediaKindError
from drishtiksha.registry import ModelManager
from drishtiksha.render.words import counted, licence
from drishtiksha.results import DISCLAIMER, AnalysisResult, Prediction

if TYPE_CHECKING:
    from drishtiksha.media.evidence import Evidence

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_EXAMINED = "not examined"
MOST_NAMED = 10
"""Files that the summary names."""


class Predicting:
    """`complete` once all files have an answer, which may be why there is none."""

    def __init__(
        self,
        manager: ModelManager,
        model: str | None,
        track: int | None,
        explain: Path | None,
        kept: ResultLines | None,
        sources: Sources,
        *,
        quiet: bool,
    ) -> None:
        """kept: where results go; None: they stay in memory. quiet: print no results."""
        self._manager, self._model, self._track, self._explain = manager, model, track, explain
        self._kept, self._quiet, self.sources = kept, quiet, sources
        self._done: list[tuple[str, str | None]] = []
        self._in_memory: list[Document] = []
        self._counts: Counter[str] = Counter()
        self._fakes: list[tuple[float, str]] = []
        self._recipes: dict[str, str] = {}
        self._known = 0
        self.complete = False

    def all(self) -> Exit:
        """The code for scripts. Raises: what every other file would meet, too; OSError where nothing can be written."""
        codes = [self._one(file) for file in self.sources.files]
        self.complete = True
        if self._kept is not None:
            self._kept.tidy()
        return max(codes)

    def documents(self) -> Iterator[Document]:
        """What is known of each file so far, in order."""
        if self._kept is None:
            yield from self._in_memory
            return
        for path, model in self._done:
            yield self._kept.newest(path, model)

    def holds_all(self) -> bool:
        """Whether all is done, and nothing else is kept beside it."""
        return self.complete and self._kept is not None and len(self._kept) == len(set(self._done))

    def tell_end(self) -> None:
        """A summary, where there are several files or it came to a stop."""
        total = len(self.sources.files)
        if total > 1:
            for line in self._summary(total):
                err.print(line, markup=False, highlight=False)
        if self._kept is not None and self._done and not self.complete:
            told = f"What was found is kept in {self._kept.path}; the same command goes on from there."
            err.print(told, markup=False, highlight=False)

    def _summary(self, total: int) -> Iterator[str]:
        kinds = [*(prediction.value for prediction in Prediction), NOT_EXAMINED]
        counts = ", ".join(f"{self._counts[kind]} {kind}" for kind in kinds if self._counts[kind])
        stopped = "" if self.complete else f"Stopped after {len(self._done)} of "
        before = f" {self._known} of them were done before." if self._known else ""
        yield f"{stopped}{counted(total, 'file')}: {counts or 'nothing is finished'}.{before}"
        for p_fake, path in sorted(self._fakes, reverse=True)[:MOST_NAMED]:
            yield f"  {p_fake:.3f}  {path}"
        if len(self._fakes) > MOST_NAMED:
            yield f"  and {len(self._fakes) - MOST_NAMED} more that are FAKE"
        if over := self.sources.passed_over:
            endings = ", ".join(f"{count} {ending}" for ending, count in sorted(over.items()))
            yield f"Passed over in folders, since they are no media: {endings}."

    def _one(self, file: Path) -> Exit:
        """Raises: as `all`."""
        from drishtiksha.services.runs import failure_of

        path, label = written(file), file.name if self.sources.single else written(file)
        try:
            evidence, model = self._opened(file, label)
            document = self._before(evidence, model, path)
            result = None if document is not None else self._examined(evidence, model, path, label)
        except Exception as raised:
            if isinstance(raised, OSError) and raised.errno in DISK_FULL:
                raise
            error = raised if isinstance(raised, MediaError) else failure_of(f"The examination of {file.name}", raised)
            if self._model is not None and not isinstance(error, MediaError | ModelFailedError):
                raise
            err.print(f"[bold]{escape(f'{label}: {error}')}[/bold]")
            self._keep({"path": path, "file": file.name, "model_name": self._model, "error": str(error)})
            return exit_code(error)
        if result is not None:
            document = result.model_dump(mode="json")
            self._draw(evidence, result)
            self._keep(document)
            if not self._quiet:
                print_result(result, label)
        elif document is not None:
            self._known += 1
            self._note(document)
        return Exit.DONE

    def _opened(self, file: Path, label: str) -> tuple[Evidence, str]:
        """The evidence and the model that examines it. Raises: MediaError; ModelRegistryError where no model fits."""
        from drishtiksha.analysis.fit import unfit
        from drishtiksha.media.evidence import Evidence

        evidence = Evidence.open(file, self._manager.settings.limits)
        if self._track is not None:
            evidence = evidence.only(self._track)
        if self._model is None:
            model = self._manager.default_model(evidence.media, self._track)
            err.print(f"{label}: no model was named, so {model} examines it.", markup=False, highlight=False)
            return evidence, model
        if reason := unfit(evidence.media, self._manager.status(self._model).config, self._model):
            raise WrongMediaKindError(reason)
        return evidence, self._model

    def _before(self, evidence: Evidence, model: str, path: str) -> Document | None:
        """The result of an earlier run of the same command."""
        if self._kept is None or not len(self._kept):
            return None
        from drishtiksha.analysis.recipe import recipe_of

        if model not in self._recipes:
            with self._manager.use(model) as detector:
                self._recipes[model] = recipe_of(detector, self._track)
        explained = self._explain is not None
        return self._kept.find(path, evidence.media.sha256, model, self._recipes[model], explained=explained)

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

    def _keep(self, document: Document) -> None:
        if self._kept is not None:
            self._kept.add(document)
        else:
            self._in_memory.append(document)
        self._note(document)

    def _note(self, document: Document) -> None:
        prediction = document.get("prediction", NOT_EXAMINED)
        self._counts[prediction] += 1
        if prediction == Prediction.FAKE:
            self._fakes.append((document["p_fake"], document["path"]))
        self._done.append((document["path"], document["model_name"]))


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
    for person in result.people:
        span = f"{person.first_s:.1f}-{person.last_s:.1f} s"
        out.print(f"  Person {person.person}, {span}: p_fake {person.p_fake:.3f} ({person.grade.value})", markup=False)
    if result.prediction is Prediction.FAKE:
        out.print(f"  A score is not proof. {DISCLAIMER}", markup=False)
