"""Where the page's HTML and scripts lie: in `ui/templates` and `ui/js`, each file in use."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import drishtiksha.render
import drishtiksha.ui
from drishtiksha.ui.shared.templates import fill, macro, script

UI = Path(drishtiksha.ui.__file__).parent
RENDER = Path(drishtiksha.render.__file__).parent
TAG = re.compile(r"</?[a-z][a-z0-9]*([ />]|$)")
SCRIPT = re.compile(r"=> *[{(]|addEventListener|querySelector")


def strings(path: Path) -> list[str]:
    """All but docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in told]
    return [node.value for node in constants if isinstance(node.value, str)]


def test_no_tag_and_no_script_stands_in_a_string_of_the_code() -> None:
    found = {
        path.relative_to(UI.parent).as_posix(): text
        for folder in (UI, RENDER)
        for path in sorted(folder.rglob("*.py"))
        for text in strings(path)
        if TAG.search(text) or SCRIPT.search(text)
    }
    assert found == {}


@pytest.mark.parametrize(
    "text",
    ["<div", "<p class='a'>", "</b>", "<section ", "() => { document.x(); }", "element.addEventListener('click'"],
)
def test_tags_and_scripts_are_known(text: str) -> None:
    assert TAG.search(text) or SCRIPT.search(text)


def test_nothing_is_escaped_by_hand() -> None:
    for folder in (UI, RENDER):
        for path in sorted(folder.rglob("*.py")):
            assert not re.search(r"^(from|import) html\b", path.read_text(encoding="utf-8"), re.MULTILINE), path


@pytest.mark.parametrize("folder", ["js", "templates"])
def test_each_file_is_in_use(folder: str) -> None:
    sources = [path for path in UI.rglob("*") if path.suffix in {".py", ".html"}]
    for path in sorted((UI / folder).rglob("*.*")):
        name = path.relative_to(UI / folder).as_posix()
        assert any(f'"{name}"' in source.read_text(encoding="utf-8") for source in sources), f"nothing uses {name}"


def test_scripts_stand_one_behind_the_other_and_values_are_escaped() -> None:
    assert script("player.js", "seek.js") == script("player.js") + script("seek.js")
    assert "&lt;b&gt;" in fill("review/notice.html", text="<b>", problem=True)


@pytest.mark.parametrize(
    ("piece", "values"),
    [("empty", {"text": "x"}), ("status", {"text": "x"}), ("status", {"txt": "x"}), ("nothing", {})],
)
def test_a_name_that_is_wrong_is_an_error(piece: str, values: dict[str, str]) -> None:
    with pytest.raises((UndefinedError, TypeError, AttributeError)):
        macro("shared/lines.html", piece, **values)


def test_an_unknown_icon_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        macro("shared/icons.html", "icon", name="nope")
