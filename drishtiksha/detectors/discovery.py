"""Which detectors there are: every concrete class that a file of this package defines."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import drishtiksha.detectors
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import ModelRegistryError


def discover() -> dict[str, type[Detector]]:
    """Class name to class, of every concrete `Detector` defined in a module of `drishtiksha.detectors`.

    Raises: ModelRegistryError when two modules define one name, or one cannot be imported.
    """
    found: dict[str, type[Detector]] = {}
    package = drishtiksha.detectors
    for module_info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        module = _imported(module_info.name)
        for name, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ != module.__name__ or not issubclass(cls, Detector) or inspect.isabstract(cls):
                continue
            if name in found:
                raise ModelRegistryError(
                    f"Two detectors are called {name}: in {found[name].__module__} and {cls.__module__}. Rename one."
                )
            found[name] = cls
    return found


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # whoever wrote the file may have written anything
        raise ModelRegistryError(
            f"The detector file {name.rpartition('.')[2]}.py cannot be imported ({type(error).__name__}: {error}). Mend it, "
            "or take it out of drishtiksha/detectors."
        ) from error
