"""Which detectors there are: classes of this package, of installed packages that bring some, and of a folder."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import drishtiksha.detectors
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import ConfigError, ModelRegistryError

GROUP = "drishtiksha.detectors"
"""Of the entry points of packages that bring detectors; each names a module or a class."""
_FOLDER_MODULE = "drishtiksha_detectors_dir"


@dataclass(frozen=True)
class Plugins:
    """Class name to class of the detectors from elsewhere; faults: what could not be used and why, a sentence each."""

    detectors: dict[str, type[Detector]]
    faults: tuple[str, ...] = ()


def discover() -> dict[str, type[Detector]]:
    """Class name to class, of every concrete `Detector` defined in a module of `drishtiksha.detectors`.

    Raises: ModelRegistryError when two modules define one name, or one cannot be imported.
    """
    found: dict[str, type[Detector]] = {}
    package = drishtiksha.detectors
    for module_info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        for cls in _defined_in(_imported(module_info.name)):
            name = cls.__name__
            if name in found:
                raise ModelRegistryError(
                    f"Two detectors are called {name}: in {found[name].__module__} and {cls.__module__}. Rename one."
                )
            found[name] = cls
    return found


def plugins(own: Collection[str], folder: Path | None = None) -> Plugins:
    """Detectors of installed packages (entry points of `GROUP`) and of the Python files in `folder`.

    A plug-in that cannot be imported becomes a fault and the others are used. A name that is in `own`, or that two
    plug-ins define, is refused: which detector scores a file must not depend on chance.

    Raises: ConfigError when `folder` is none.
    """
    found: dict[str, list[tuple[str, type[Detector]]]] = {}
    faults: list[str] = []
    for source, load in [*_of_packages(), *_of_folder(folder)]:
        try:
            classes = _detectors_of(load())
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whoever wrote it may have written anything
            why = f"{type(error).__name__}: {error}"
            faults.append(f"The detectors of {source} cannot be imported ({why}). Mend it, or take it away.")
            continue
        if not classes:
            faults.append(
                f"{source[:1].upper()}{source[1:]} defines no detector: a concrete class derived from Detector."
            )
        for cls in classes:
            found.setdefault(cls.__name__, []).append((source, cls))
    for name, given in found.items():
        places = ["drishtiksha"] * (name in own) + [source for source, _ in given]
        if len(places) > 1:
            faults.append(f"Two detectors are called {name}: in {' and in '.join(places)}. Rename one.")
    detectors = {name: given[0][1] for name, given in found.items() if len(given) == 1 and name not in own}
    return Plugins(detectors, tuple(faults))


def _of_packages() -> Iterator[tuple[str, Callable[[], Any]]]:
    for entry in sorted(entry_points(group=GROUP), key=_distribution):
        yield f"the package {_distribution(entry)[0]} ({entry.value})", entry.load


def _distribution(entry: EntryPoint) -> tuple[str, str, str]:
    return entry.dist.name if entry.dist else "", entry.name, entry.value


def _of_folder(folder: Path | None) -> Iterator[tuple[str, Callable[[], Any]]]:
    if folder is None:
        return
    if not folder.is_dir():
        raise ConfigError(f"detectors_dir names {folder}, which is no folder. Make it, or name another one.")
    for path in sorted(folder.glob("[!_.]*.py")):
        yield f"the file {path.name} of detectors_dir", partial(_file_module, path)


def _file_module(path: Path) -> ModuleType:
    """The module of a file, imported once a process."""
    name = f"{_FOLDER_MODULE}.{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are resolved by this name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _detectors_of(loaded: Any) -> list[type[Detector]]:
    """The class that an entry point names, or those of the module that it names."""
    if isinstance(loaded, ModuleType):
        return _defined_in(loaded)
    usable = inspect.isclass(loaded) and issubclass(loaded, Detector) and not inspect.isabstract(loaded)
    return [loaded] if usable else []


def _defined_in(module: ModuleType) -> list[type[Detector]]:
    """The concrete detectors that a module defines; what it imports is another one's."""
    return [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and issubclass(cls, Detector) and not inspect.isabstract(cls)
    ]


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # whoever wrote the file may have written anything
        raise ModelRegistryError(
            f"The detector file {name.rpartition('.')[2]}.py cannot be imported ({type(error).__name__}: {error}). Mend it, "
            "or take it out of drishtiksha/detectors."
        ) from error
