"""`drishtiksha weights`: the files of the models, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

from drishtiksha.cli.console import err, failures_as_exit_codes, out, progress_bar
from drishtiksha.detector_config import LicenceClass
from drishtiksha.errors import ConfigError, DownloadError, DrishtikshaError, WeightsMismatchError
from drishtiksha.registry import ModelManager
from drishtiksha.render import words
from drishtiksha.settings import load_settings
from drishtiksha.weights import (
    Part,
    WeightsState,
    announced,
    bytes_of,
    convert,
    fetchable,
    origin,
    parts,
    pinned,
    prove,
    pull,
    read_sidecar,
    remedy,
    require_room,
    state,
    unpin,
)

weights_app = typer.Typer(no_args_is_help=True, help="Checkpoints: list, fetch, import, verify.")
ASKING = (LicenceClass.NON_COMMERCIAL, LicenceClass.NONPROFIT)
"""Licences of these classes ask for a kind of use, which --noncommercial-ok states."""
Name = Annotated[str, typer.Argument(help="A name that `drishtiksha models` lists.")]


@weights_app.command("list")
def weights_list() -> None:
    """Every model's files: where they lie, their size, licence and source."""
    with failures_as_exit_codes():
        statuses = ModelManager(load_settings()).describe()
    for status in statuses:
        out.print(f"[bold]{escape(status.name)}[/bold]", highlight=False)
        for part in parts(status.config):
            _print_part(part)


def _print_part(part: Part) -> None:
    here = state(part.path, part.source)
    size = f", {bytes_of(part.path, part.source) / 1e6:.1f} MB" if here is not WeightsState.MISSING else ""
    source = origin(part.source) or (
        "ships with Drishtiksha" if here is WeightsState.EMBEDDED else "nobody publishes it"
    )
    known = f"{here.value}, optional" if part.optional else here.value
    label = f"{part.name}: " if part.name else ""
    terms = words.licence(part.source.licence, part.source.licence_class)
    for line in (f"{label}{known}{size}; licence: {terms}", str(part.path), source):
        out.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


@weights_app.command("pull")
def weights_pull(
    names: Annotated[list[str] | None, typer.Argument(help="Names that `drishtiksha models` lists.")] = None,
    recommended: Annotated[
        bool, typer.Option("--recommended", help="Those that the configuration recommends, too.")
    ] = False,
    noncommercial_ok: Annotated[
        bool,
        typer.Option("--noncommercial-ok", help="Your use is non-commercial (and non-profit, where a licence asks)."),
    ] = False,
) -> None:
    """Say sizes and licences, then fetch what is missing: resumed, verified, put in place in one step."""
    with failures_as_exit_codes():
        manager = ModelManager(load_settings())
        configs = manager.get_active_model_configs()
        chosen = list(
            dict.fromkeys([*(names or []), *(n for n, c in configs.items() if recommended and c.recommended)])
        )
        if not chosen:
            raise ConfigError("Name a model, or have the configuration recommend some (recommended: true).")
        plan = {name: manager.missing(name) for name in chosen}
        _say_plan(plan, noncommercial_ok)
        failures: list[DrishtikshaError] = []
        for name, missing in plan.items():
            try:
                _pull_model(name, missing, noncommercial_ok)
            except _UnaskedError as error:
                err.print(str(error), markup=False, highlight=False)
                failures += [error] if name in (names or []) else []
            except DrishtikshaError as error:
                err.print(f"{name}: {error}", markup=False, highlight=False)
                failures.append(error)
        if failures:
            raise DownloadError(f"{len(failures)} of {len(plan)} models were not fetched completely; see above why.")


class _UnaskedError(DownloadError):
    """A licence asks for a kind of use that nobody has stated."""


def _say_plan(plan: Mapping[str, list[Part]], noncommercial_ok: bool) -> None:
    """Every file with its size and licence, and the sum of those that will be fetched.

    Raises: DownloadError when the disk has no room for these.
    """
    files: list[tuple[Part, int | None]] = []
    for name, missing in plan.items():
        withheld = not noncommercial_ok and _asking(missing) is not None
        for part in filter(lambda one: fetchable(one.source), missing):
            size = announced(part.source, part.path).bytes
            told = words.size(size) if size else "size unknown"
            terms = words.licence(part.source.licence, part.source.licence_class)
            line = f"{part.path.name} of {name}: {told}, from {origin(part.source)}\nLicence: {terms}"
            err.print(line, markup=False, highlight=False, soft_wrap=True)
            if not withheld:
                files.append((part, size))
    sizes = [size for _, size in files]
    known = sum(size or 0 for size in sizes)
    if len(files) > 1:
        more = "" if all(sizes) else " and those of unknown size"
        err.print(f"Together: {len(files)} files, {words.size(known)}{more}", markup=False, highlight=False)
    if files and known:
        require_room(_existing(files[0][0].path), known - sum(_arrived(part.path) for part, _ in files))


def _asking(missing: list[Part]) -> Part | None:
    """The first file whose licence asks for a kind of use; None where none does."""
    return next((p for p in missing if p.source.licence_class in ASKING and fetchable(p.source)), None)


def _existing(path: Path) -> Path:
    return next(folder for folder in path.absolute().parents if folder.is_dir())


def _arrived(path: Path) -> int:
    """The bytes that an interrupted download left."""
    return bytes_of(path.with_name(path.name + ".part"))


def _pull_model(name: str, missing: list[Part], noncommercial_ok: bool) -> None:
    """Raises: DownloadError, also where a licence asks for what was not stated; WeightsMismatchError."""
    if not missing:
        out.print(f"All files of {name} are there already.", markup=False, highlight=False)
        return
    asking = _asking(missing)
    if asking is not None and not noncommercial_ok:
        terms = words.licence(asking.source.licence, asking.source.licence_class)
        raise _UnaskedError(
            f"{name} was not fetched. Its licence: {terms}. If yours is such a use, add --noncommercial-ok."
        )
    for part in missing:
        if fetchable(part.source):
            _pull(part)
    left = [part for part in missing if not fetchable(part.source)]
    for part in left:
        told = remedy(name, part.path, part.source, part.name)
        err.print(f"{part.path.name}{' (optional)' if part.optional else ''}: {told}", markup=False, highlight=False)
    if needed := [part.path.name for part in left if not part.optional]:
        raise DownloadError(f"No program may fetch {', '.join(needed)}; see above what to do.")


def _pull(part: Part) -> None:
    with progress_bar(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(escape(part.path.name), total=None)
        digest = pull(part.source, part.path, lambda done, total: progress.update(task, completed=done, total=total))
    out.print(f"{part.path}\nSHA-256 {digest}", markup=False, highlight=False)


@weights_app.command("import")
def weights_import(
    file: Annotated[Path, typer.Argument(exists=True, help="A checkpoint (or model folder) that you fetched.")],
    name: Name,
    part: Annotated[str, typer.Option(help="The companion that it is; left out: the checkpoint itself.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Also in place of another file.")] = False,
) -> None:
    """Take in a file that you fetched by hand, once it fits the model. It is copied, never moved."""
    with failures_as_exit_codes():
        manager = ModelManager(load_settings())
        path = manager.import_file(name, file, part, force=force)
        source = next(p.source for p in parts(manager.get_active_model_configs()[name]) if p.name == part)
        accepted = pinned(path)
        out.print(f"{file.name} fits {name} and lies at {path}.", markup=False, highlight=False)
        if accepted:
            out.print(f"SHA-256 {accepted.sha256}", markup=False, highlight=False)
        out.print(f"Licence: {words.licence(source.licence, source.licence_class)}", markup=False, highlight=False)
        if cure := manager.status(name).remedy:
            out.print(f"Still missing: {cure}", markup=False, highlight=False)


@weights_app.command("convert")
def weights_convert(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A checkpoint of PyTorch.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", dir_okay=False, help="Where to write, a name that ends in .safetensors.")
    ],
) -> None:
    """Take the tensors alone out of a checkpoint that asks for more than is allowed. No code in it is run."""
    with failures_as_exit_codes():
        if target.suffix != ".safetensors":
            raise typer.BadParameter("its name must end in .safetensors", param_hint="OUT")
        told = f"{convert(file, target)} tensors were written to {target}."
        out.print(told, markup=False, highlight=False, soft_wrap=True)


@weights_app.command("unpin")
def weights_unpin(name: Name) -> None:
    """Forget which files of a model were used first, to accept others in their place."""
    with failures_as_exit_codes():
        manager = ModelManager(load_settings())
        manager.status(name)
        forgotten = [part.path.name for part in parts(manager.get_active_model_configs()[name]) if unpin(part.path)]
        out.print(f"Forgotten: {', '.join(forgotten) or 'nothing was pinned'}", markup=False, highlight=False)


@weights_app.command("verify")
def weights_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Default: every one that is here.")] = None,
) -> None:
    """Read every file once more: SHA-256, and with the network loaded its canary score."""
    with failures_as_exit_codes():
        manager = ModelManager(load_settings())
        here = [status.name for status in manager.describe() if status.state in ("ready", "loaded")]
        failures = []
        for name in names or here:
            try:
                _verify_model(manager, name)
            except DrishtikshaError as error:
                err.print(str(error), markup=False, highlight=False)
                failures.append(error)
        if failures:
            raise failures[0]


def _verify_model(manager: ModelManager, name: str) -> None:
    """Raises: WeightsMismatchError; ModelRegistryError."""
    manager.status(name)
    for part in parts(manager.get_active_model_configs()[name]):
        if state(part.path, part.source) is not WeightsState.MISSING:
            _verify(name, part)
    manager.load_model(name)
    manager.unload(name)


def _verify(name: str, part: Part) -> None:
    """Raises: WeightsMismatchError."""
    sidecar = read_sidecar(part.path)
    known = part.source.stated_sha256 or sidecar or pinned(part.path)
    try:
        digest = prove(part.path, part.source, sidecar.sha256 if sidecar else None, fresh=True)
    except WeightsMismatchError as error:
        raise WeightsMismatchError(f"{name}: {error}") from error
    found = "as expected" if known else "is its hash; none is known that it could be compared with"
    label = f"{name} ({part.name})" if part.name else name
    out.print(f"{label}: {digest} {found}", markup=False, highlight=False, soft_wrap=True)
