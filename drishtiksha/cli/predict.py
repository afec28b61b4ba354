"""`drishtiksha predict`: examine files and print or write what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.markup import escape

from drishtiksha.cli.console import Exit, err, exit_code, failures_as_exit_codes, out, reported, settings_on, write_json
from drishtiksha.errors import ConfigError, MediaError, ModelFailedError, WrongMediaKindError
from drishtiksha.registry import ModelManager
from drishtiksha.results import DISCLAIMER, AnalysisResult, Prediction


def predict(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Pictures, videos or recordings.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="A name that `drishtiksha models` lists; left out: the first that fits."),
    ] = None,
    json_path: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Write the result, or why there is none, there (- for standard output); a list for several files.",
        ),
    ] = None,
    explain: Annotated[
        Path | None, typer.Option(help="Write the most suspicious moments as pictures into this folder.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Another value of the model's configuration, for this run."),
    ] = None,
    pitch: Annotated[bool, typer.Option("--pitch", help="Measure the pitch of voices too: takes longer.")] = False,
    track: Annotated[
        int | None, typer.Option(min=1, help="Only this track, by the number that `drishtiksha tracks` lists.")
    ] = None,
) -> None:
    """Examine files with one detector. A file that cannot be examined does not stop the others."""
    answers: list[tuple[dict[str, Any], Exit]] = []
    with failures_as_exit_codes():
        manager = _manager(model, fields or [], device, pitch=pitch)
        try:
            for file in files:
                answers.append(_answer(file, model, manager, explain, track, printed=json_path != Path("-")))
        finally:  # what is known of the files so far is kept, whatever happens at the next one
            if json_path is not None and answers:
                write_json(json_path, [document for document, _ in answers], single=len(files) == 1)
    raise typer.Exit(max(code for _, code in answers))


def _answer(
    file: Path, model: str | None, manager: ModelManager, explain: Path | None, track: int | None, *, printed: bool
) -> tuple[dict[str, Any], Exit]:
    """What stands in the JSON for a file: its result, or why it has none. Raises: what every other file would meet, too."""
    from drishtiksha.services.runs import failure_of

    try:
        result = _examine(file, model, manager, explain, track)
    except OSError:
        raise
    except Exception as raised:
        error = failure_of(f"The examination of {file.name}", raised)
        if model is not None and not isinstance(error, MediaError | ModelFailedError):
            raise
        err.print(f"[bold]{escape(f'{file.name}: {error}')}[/bold]")
        return {"file": file.name, "error": str(error)}, exit_code(error)
    if printed:
        _print_result(result)
    return result.model_dump(mode="json"), Exit.DONE


def _manager(model: str | None, fields: list[str], device: str | None, *, pitch: bool) -> ModelManager:
    """Raises: ConfigError for fields that the model does not have, and for values that it cannot take."""
    manager = ModelManager(settings_on(device))
    if model is not None:
        manager.status(model)  # a misspelt name is told before anything is read
    elif fields:
        raise ConfigError("--set changes the configuration of a model: name it with --model.")
    changes = dict(_field(text) for text in fields) | ({"pitch": True} if pitch else {})
    if not changes:
        return manager
    names = [model] if model is not None else manager.get_available_models()
    return ModelManager(settings_on(device, models=dict.fromkeys(names, changes)))


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ConfigError(f"--set {text} is not understood; wanted FIELD=VALUE, such as num_frames=8.")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not understood. Write it as in configs/config.yaml.") from error


def _examine(
    file: Path, model: str | None, manager: ModelManager, explain: Path | None, track: int | None
) -> AnalysisResult:
    from drishtiksha.analysis.fit import unfit
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.render.moments import write_moments
    from drishtiksha.services.runs import examine

    limits = manager.settings.limits
    evidence = Evidence.open(file, limits)
    if track is not None:
        evidence = evidence.only(track)
    if model is not None:
        if reason := unfit(evidence.media, manager.status(model).config, model):
            raise WrongMediaKindError(reason)
    else:
        model = manager.default_model(evidence.media)
        err.print(f"{file.name}: no model was named, so {model} examines it.", markup=False, highlight=False)
    with reported(file.name) as show:
        (result,) = examine(evidence, [model], manager, show, explain=explain is not None).required().results
    if explain is not None:
        for path in write_moments(evidence, result, explain, limits):
            err.print(f"Wrote {path}", markup=False, highlight=False)
    return result


def _print_result(result: AnalysisResult) -> None:
    score = "not scored" if result.p_fake is None else f"p_fake {result.p_fake:.3f}"
    out.print(f"[bold]{escape(result.media.name)}[/bold]: {result.grade.value} ({result.prediction.value}, {score})")
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
    for person in result.people:
        span = f"{person.first_s:.1f}-{person.last_s:.1f} s"
        out.print(f"  Person {person.person}, {span}: p_fake {person.p_fake:.3f} ({person.grade.value})", markup=False)
    if result.prediction is Prediction.FAKE:
        out.print(f"  A score is not proof. {DISCLAIMER}", markup=False)
