"""`drishtiksha examine`: one answer about each file from all proven detectors that fit."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from drishtiksha.answer import Answer, State, Texts
from drishtiksha.answer.objects import GRADES
from drishtiksha.batch.lines import Document, ResultLines
from drishtiksha.batch.sources import Sources, files_of
from drishtiksha.cli.batches import Done, FileByFile, Targets
from drishtiksha.cli.console import Exit, err, exit_code, failures_as_exit_codes, out, reported, settings_on
from drishtiksha.errors import DrishtikshaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.report.files import require_writable

LINES = "answers.jsonl"
STATES = {
    State.SIGNS: "with signs of manipulation",
    State.UNCLEAR: "unclear",
    State.NOTHING_FOUND: "without signs",
    State.NOTHING_TO_JUDGE: "with nothing to judge",
}


def examine(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, videos or recordings; folders, with all below them; patterns such as 'a/*.mp4'."
        ),
    ],
    json_path: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Write the answer, or why there is none, there (- for standard output); a list for several files.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR|FILE",
            help="Write each answer, as soon as it is known, as a line of DIR/answers.jsonl or FILE.jsonl; what is there "
            "already of the same files and detectors is not done again.",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Run the detectors, too, that are slow on this machine.")
    ] = False,
) -> None:
    """Examine files with all proven detectors that fit, and give one answer about each.

    A file that cannot be examined does not stop the others. Without a GPU, detectors that would take longer than the setting
    slow_from_s are named and not run, unless --all is given.
    """
    with failures_as_exit_codes():
        targets = Targets.of(folder, json_path, LINES)
        sources = files_of(files, targets.own)
        if json_path is not None and not targets.quiet:
            require_writable(json_path)
        manager = ModelManager(settings_on(device))
        code = targets.run(Examining(manager, sources, targets.kept(), everything=everything, quiet=targets.quiet))
    raise typer.Exit(code)


class Examining(FileByFile):
    """All proven detectors that fit each file."""

    kinds = tuple(STATES.values())
    remarkable = "show signs"

    def __init__(
        self, manager: ModelManager, sources: Sources, kept: ResultLines | None, *, everything: bool, quiet: bool
    ) -> None:
        """everything: run slow detectors, too."""
        super().__init__(sources, kept, quiet=quiet)
        self._manager, self._everything = manager, everything
        self._recipes: dict[tuple[str, ...], str] = {}

    def examine(self, file: Path, path: str, label: str) -> Done:
        """The exit code tells where a detector stopped."""
        from drishtiksha.services.answers import examine_alone, missing_for, started_for

        evidence = Evidence.open(file, self._manager.settings.limits)
        recipe = ""
        if self.kept is not None:
            names = started_for(self._manager, evidence.media, everything=self._everything)
            recipe = self._recipe(names)
        if self.kept is not None and recipe:
            before = self.kept.find(path, evidence.media.sha256, "", recipe, explained=False)
            if before is not None:
                return Done(before, known=True)
        with reported(label) as report:
            answer, failures = examine_alone(evidence, self._manager, report, everything=self._everything)
        absent = missing_for(self._manager, evidence.media)
        if answer.left_out:
            slow = ", ".join(one.model_name for one in answer.left_out)
            err.print(f"{label}: not run, since slow here: {slow}. Run them with --all.", markup=False, highlight=False)
        for text in (*(f"{name} has no result: {why}" for name, why in failures.items()), *absent):
            err.print(f"{label}: {text}", markup=False, highlight=False)
        code = max([Exit.DONE, *map(exit_code, failures.values()), *([Exit.WEIGHTS_MISSING] if absent else [])])
        whole = recipe if code is Exit.DONE else ""  # else it is done again by the same command
        document = {"path": path, "recipe": whole, **answer.model_dump(mode="json")}
        return Done(document, code, show=partial(show, answer, label))

    def kind(self, document: Document) -> str:
        return STATES[State(document["state"])]

    def remark(self, document: Document) -> tuple[float, str] | None:
        if document["state"] != State.SIGNS:
            return None
        return float([grade.value for grade in GRADES].index(document["grade"])), document["headline"]

    def told(self, document: Document) -> Document:
        """As other surfaces give an answer; of several files with the path, and of none with what tells how it was made."""
        left_out = {"recipe", "path"} if self.sources.single else {"recipe"}
        return document if "error" in document else {k: v for k, v in document.items() if k not in left_out}

    def _recipe(self, names: list[str]) -> str:
        """Empty where a detector cannot be loaded, which the examination tells."""
        from drishtiksha.services.answers import recipe_of_all

        if (key := tuple(names)) not in self._recipes:
            try:
                self._recipes[key] = recipe_of_all(self._manager, names)
            except DrishtikshaError:
                self._recipes[key] = ""
        return self._recipes[key]


def show(answer: Answer, label: str) -> None:
    """The answer, its lines, and what to do next. label: what the file is called."""
    out.print(f"[bold]{escape(label)}[/bold]: {escape(answer.headline)}")
    for text in (answer.why, answer.scale, answer.disclaimer):
        if text:
            out.print(f"  {text}", markup=False)
    for line in answer.lines:
        out.print(f"  [bold]{escape(line.title)}[/bold]: {escape(line.says)}. {escape(line.why)}")
        for text in (line.judged, line.error_rate, line.misses, *line.notes):
            if text:
                out.print(f"    {text}", markup=False)
    for text in (*answer.disagreements, *answer.not_judged, *answer.asides):
        out.print(f"  {text}", markup=False)
    if answer.advised:
        told = Texts.of(answer.language)("advised.command", models=" ".join(answer.advised))
        out.print(f"  {told}", markup=False)
    for text in answer.next:
        out.print(f"  - {text}", markup=False)
    out.print(f"  To quote: {answer.sentence}", markup=False)
