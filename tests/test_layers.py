"""Reads the imports of every module and holds them against the layers of the design."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A module imports from strictly lower layers or from its own package. Layer 0 is ordered within itself.
LAYERS: dict[str, float] = {
    "drishtiksha": -1,  # the package itself: only its version
    "drishtiksha.errors": 0,
    "drishtiksha.platform": 0,
    "drishtiksha.plaintext": 0,
    "drishtiksha.results": 0.1,
    "drishtiksha.casefile": 0.12,
    "drishtiksha.detector_config": 0.15,
    "drishtiksha.events": 0.2,
    "drishtiksha.contract": 0.2,
    "drishtiksha.settings": 0.2,
    "drishtiksha.weights": 1,
    "drishtiksha.media": 1,
    "drishtiksha.networks": 1,
    "drishtiksha.scoring": 1,
    "drishtiksha.comparison": 1,
    "drishtiksha.people": 1,
    "drishtiksha.faces": 2,
    "drishtiksha.features": 2,
    "drishtiksha.provenance": 2,
    "drishtiksha.explain": 3,
    "drishtiksha.forensics": 3,
    "drishtiksha.analysis": 4,
    "drishtiksha.render": 4,
    "drishtiksha.answer": 5,
    "drishtiksha.detectors": 5,
    "drishtiksha.registry": 6,
    "drishtiksha.report": 7,
    "drishtiksha.store": 7,
    "drishtiksha.stress": 7,
    "drishtiksha.services": 8,
    "drishtiksha.batch": 8.3,
    "drishtiksha.evaluation": 8.5,
    "drishtiksha.ui": 9,
    "drishtiksha.server": 9,
    "drishtiksha.cli": 9.5,  # `serve` puts page and server together
    "drishtiksha.__main__": 10,
    "app": 10,
}
TORCH = {"torch", "torchvision", "timm", "transformers"}
HEAVY = TORCH | {"librosa", "matplotlib"}
# Not at the top of these modules, since they are imported before anything is analysed.
LATE = {
    "drishtiksha.detectors": HEAVY,
    "drishtiksha.registry": HEAVY,
    "drishtiksha.contract": HEAVY,
    "drishtiksha.detector_config": HEAVY,
    "drishtiksha.settings": HEAVY,
    "drishtiksha.weights": HEAVY,
    "drishtiksha.comparison": HEAVY,
    "drishtiksha.store": HEAVY,
    "drishtiksha.services": HEAVY,
    "drishtiksha.batch": HEAVY,
    "drishtiksha.server": HEAVY,
    "drishtiksha.report": TORCH,
    "drishtiksha.render": TORCH,
    "drishtiksha.answer": HEAVY,
    "drishtiksha.ui": TORCH,
    "drishtiksha.cli": HEAVY,
    "app": HEAVY,
}
ANYWHERE_GRADIO = {"drishtiksha.ui", "app"}
BESIDE = {"training", "bench", "tests"}


@dataclass(frozen=True)
class Import:
    module: str
    target: str
    line: int
    at_top: bool  # runs when the module is imported

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Dotted name and file of each module of the product under `root`."""
    for path in sorted((root / "drishtiksha").rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path
    if (root / "app.py").is_file():
        yield "app", root / "app.py"


def imports_of(name: str, path: Path) -> list[Import]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[Import] = []

    def walk(node: ast.AST, at_top: bool) -> None:
        for target in targets(node, package):
            found.append(Import(name, target, node.lineno, at_top))  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            at_top = False
        for child in ast.iter_child_nodes(node):
            type_only = isinstance(node, ast.If) and is_type_checking(node.test) and child in node.body
            walk(child, at_top and not type_only)

    walk(ast.parse(path.read_text(encoding="utf-8"), str(path)), at_top=True)
    return found


def is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test).removeprefix("typing.") == "TYPE_CHECKING"


def targets(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
        return [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return []


def unit_of(dotted: str) -> str:
    """The part that the map speaks of: `drishtiksha.media.probe` -> `drishtiksha.media`."""
    parts = dotted.split(".")
    if parts[0] != "drishtiksha":
        return parts[0]
    return ".".join(parts[:2])


def problems(root: Path) -> list[str]:
    found = []
    known = {name for name, _ in modules(root)}
    for name, path in modules(root):
        own = unit_of(name)
        if own not in LAYERS:
            found.append(f"{name} has no layer: add it to the design and to LAYERS")
            continue
        for imported in imports_of(name, path):
            found += [f"{imported}: {why}" for why in objections(own, imported, known)]
    return found


def objections(own: str, imported: Import, known: set[str]) -> Iterator[str]:
    top = imported.target.split(".")[0]
    if top == "gradio" and own not in ANYWHERE_GRADIO:
        yield "gradio belongs into ui alone"
    if imported.at_top and top in LATE.get(own, ()):
        yield f"{top} is imported too early here; import it inside the function that needs it"
    if top in BESIDE:
        yield f"{top} lies beside the product, which never imports it"
    if top not in ("drishtiksha", "app"):
        return
    target = unit_of(imported.target)
    if target not in LAYERS and imported.target.rpartition(".")[0] == "drishtiksha" and imported.target not in known:
        target = "drishtiksha"  # an attribute of the package
    if target == own:
        return
    if target not in LAYERS:
        yield "its target has no layer"
    elif LAYERS[target] >= LAYERS[own]:
        yield f"layer {LAYERS[own]} may not import from layer {LAYERS[target]}"


@pytest.mark.slow
def test_every_import_goes_down():
    assert problems(ROOT) == []


def cycles(root: Path) -> list[list[str]]:
    """Modules that import each other, directly or by way of others, wherever in them the import stands.

    What is imported for its types alone counts too: a type that two modules need belongs below both.
    """
    known = dict(modules(root))
    graph = {
        name: {found for i in imports_of(name, path) if (found := home(i.target, known))}
        for name, path in known.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [error.args[1]]
    return []


def home(target: str, known: Collection[str]) -> str:
    """The module that `target` is, or is defined in; empty outside the product."""
    while target and target not in known:
        target = target.rpartition(".")[0]
    return target if target != "drishtiksha" else ""


@pytest.mark.slow
def test_no_modules_import_each_other():
    assert cycles(ROOT) == []


def test_every_layer_has_its_modules():
    assert set(LAYERS) == {unit_of(name) for name, _ in modules(ROOT)}


def test_the_modules_are_really_read():
    names = {name for name, _ in modules(ROOT)}
    assert {"drishtiksha", "drishtiksha.errors", "drishtiksha.weights.loading"} <= names
    seen = imports_of("drishtiksha.weights.loading", ROOT / "drishtiksha/weights/loading.py")
    assert ("drishtiksha.errors.WeightsMismatchError", True) in {(i.target, i.at_top) for i in seen}
    assert {i.at_top for i in seen if i.target.startswith("torch")} == {False}


def assert_light(statement: str, heavy: set[str]) -> None:
    code = f"import sys; {statement}; print(*sorted(set(sys.modules) & {heavy!r}))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [], f"{statement} imports these at once"


@pytest.mark.slow
def test_discovery_imports_nothing_heavy():
    files = sorted((ROOT / "drishtiksha/detectors").glob("*.py"))
    names = [f"drishtiksha.detectors.{path.stem}" for path in files if path.stem != "__init__"]
    assert_light("import " + ", ".join(["drishtiksha.registry", *names]), HEAVY)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["drishtiksha.cli", "drishtiksha.ui.blocks", "drishtiksha.analysis"])
def test_starting_does_not_import_torch(name):
    assert_light(f"import {name}", TORCH)


TABS = {"analyze", "compare", "models", "review"}


def room_of(dotted: str) -> str | None:
    """The folder of the page that a module lies in; None for its own modules, which put the tabs together."""
    parts = dotted.split(".")
    return parts[2] if parts[:2] == ["drishtiksha", "ui"] and parts[2:3] and parts[2] in TABS | {"shared"} else None


def trespasses(root: Path) -> list[str]:
    """Imports of a tab in another tab, or in what they share."""
    return [
        str(imported)
        for name, path in modules(root)
        if (own := room_of(name)) is not None
        for imported in imports_of(name, path)
        if room_of(imported.target) not in (None, "shared", own)
    ]


def test_tabs_know_nothing_of_each_other():
    assert trespasses(ROOT) == []
    assert {room_of(name) for name, _ in modules(ROOT)} >= TABS | {"shared"}


# --- the checks themselves -------------------------------------------------------------------------------------------


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"drishtiksha/__init__.py": "__version__ = '1'\n", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("file", "text", "objection"),
    [
        ("media/probe.py", "from drishtiksha.analysis import analyze", "layer 1 may not import from layer 4"),
        ("media/probe.py", "from drishtiksha import scoring", "layer 1 may not import from layer 1"),
        ("media/probe.py", "from ..analysis import analyze", "layer 1 may not import from layer 4"),
        ("media/probe.py", "from .. import registry", "layer 1 may not import from layer 6"),
        ("media/probe.py", "def f():\n    import drishtiksha.ui.blocks", "layer 1 may not import from layer 9"),
        ("media/__init__.py", "from ..faces import detect", "layer 1 may not import from layer 2"),
        ("results.py", "from drishtiksha.contract import Sample", "layer 0.1 may not import from layer 0.2"),
        ("analysis.py", "import importlib\nimportlib.import_module('drishtiksha.ui')", "may not import from layer 9"),
        ("analysis.py", "if TYPE_CHECKING:\n    from drishtiksha.registry import X", "may not import from layer 6"),
        ("cli.py", "def f():\n    import training.face_blend", "training lies beside the product"),
        ("ui/page.py", "from bench import measure", "bench lies beside the product"),
        ("server.py", "import gradio as gr", "gradio belongs into ui alone"),
        ("analysis.py", "def f():\n    from gradio import Progress", "gradio belongs into ui alone"),
        ("detectors/face.py", "import torch", "torch is imported too early"),
        ("detectors/face.py", "from torch import nn", "torch is imported too early"),
        (
            "detectors/face.py",
            "try:\n    import timm.data\nexcept ImportError:\n    pass",
            "timm is imported too early",
        ),
        ("detectors/face.py", "class A:\n    import librosa", "librosa is imported too early"),
        (
            "detectors/face.py",
            "if not TYPE_CHECKING:\n    import torch",
            "torch is imported too early",
        ),
        ("render/overlay.py", "import torch.nn", "torch is imported too early"),
        ("helpers.py", "", "drishtiksha.helpers has no layer"),
        ("cli.py", "from drishtiksha.helpers import x", "its target has no layer"),
        ("weights/files.py", "from app import demo", "layer 1 may not import from layer 10"),
    ],
)
def test_forbidden_imports_are_caught(tmp_path, file, text, objection):
    found = problems(tree(tmp_path, {f"drishtiksha/{file}": text}))
    assert len(found) == 1
    assert objection in found[0]


@pytest.mark.parametrize(
    ("file", "text", "caught"),
    [
        ("review/queue.py", "from drishtiksha.ui.compare import sections", True),
        ("review/queue.py", "def f():\n    from drishtiksha.ui.compare.sections import table", True),
        ("shared/links.py", "from ..analyze import handlers", True),
        ("review/queue.py", "from drishtiksha.ui.review import form\nfrom drishtiksha.ui.shared import links", False),
        ("blocks.py", "from drishtiksha.ui.review import tab", False),
    ],
)
def test_a_tab_in_another_is_caught(tmp_path, file, text, caught):
    assert bool(trespasses(tree(tmp_path, {f"drishtiksha/ui/{file}": text}))) is caught


@pytest.mark.parametrize(
    "text",
    [
        "from drishtiksha.media.b import y",
        "def f():\n    from drishtiksha.media import b",
        "if TYPE_CHECKING:\n    from .b import y",
    ],
)
def test_cycles_are_caught(tmp_path, text):
    files = {
        "drishtiksha/media/a.py": text,
        "drishtiksha/media/b.py": "from .c import z",
        "drishtiksha/media/c.py": "from . import a",
    }
    (found,) = cycles(tree(tmp_path, files))
    assert {"drishtiksha.media.a", "drishtiksha.media.b", "drishtiksha.media.c"} == set(found)
    assert cycles(tree(tmp_path / "without", files | {"drishtiksha/media/c.py": "z = 1"})) == []


def test_the_app_may_not_import_training(tmp_path):
    found = problems(tree(tmp_path, {"app.py": "from training import loop"}))
    assert len(found) == 1
    assert "training lies beside the product" in found[0]


def test_allowed_imports_are_let_through(tmp_path):
    files = {
        "app.py": "import gradio\nfrom drishtiksha.ui.blocks import build",
        "drishtiksha/ui/blocks.py": "import gradio as gr\nfrom . import theme\nfrom ..registry import ModelManager",
        "drishtiksha/ui/theme.py": "from drishtiksha import __version__",
        "drishtiksha/detectors/face.py": "if TYPE_CHECKING:\n    import torch\ndef f():\n    import torch, timm",
        "drishtiksha/networks/net.py": "import torch",
        "drishtiksha/contract.py": "from drishtiksha.results import MediaInfo",
    }
    assert problems(tree(tmp_path, files)) == []


@pytest.mark.slow
def test_a_command_imports_no_database_before_it_needs_one():
    assert_light("import drishtiksha.cli", {"sqlalchemy", "alembic"})
