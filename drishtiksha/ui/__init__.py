"""The browser's side: layout in `tabs/`, what happens on a click in `handlers.py`, looks in `theme.py`."""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

# Gradio reads these when it is imported: nothing may be reported to anyone.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
# At its first event, while everybody waits, it asks matplotlib how it draws, which imports all that it could draw with (0.4 s)
# where nobody has said.
os.environ.setdefault("MPLBACKEND", "agg")


class _WithoutStubs(MetaPathFinder):
    """Has Gradio write no type stubs. At each import it renders those of all its components, which it brings along anyway,
    and parses their sources for that: 1.2 s of CPU time."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == "gradio.component_meta" else None
        if spec and spec.loader:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                module.create_or_modify_pyi = lambda *_: None  # type: ignore[attr-defined]

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _WithoutStubs())
