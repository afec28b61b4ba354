"""Where the page's HTML and scripts lie: in `ui/templates` and `ui/js`, each file in use."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import drishtiksha.ui
from drishtiksha.ui.shared.templates import fill, script

UI = Path(drishtiksha.ui.__file__).parent
TAG = re.compile(r"</?[a-z][a-z0-9]*[ >]")


def strings(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.mark.parametrize("tab", ["compare", "review"])
def test_no_tag_stands_in_a_string_of_the_code(tab: str) -> None:
    found = {path.name: text for path in sorted((UI / tab).glob("*.py")) for text in strings(path) if TAG.search(text)}
    assert found == {}


@pytest.mark.parametrize("folder", ["js", "templates"])
def test_each_file_is_in_use(folder: str) -> None:
    sources = [path for path in UI.rglob("*") if path.suffix in {".py", ".html"}]
    for path in sorted((UI / folder).rglob("*.*")):
        name = path.relative_to(UI / folder).as_posix()
        assert any(f'"{name}"' in source.read_text(encoding="utf-8") for source in sources), f"nothing uses {name}"


def test_scripts_stand_one_behind_the_other_and_values_are_escaped() -> None:
    assert script("player.js", "seek.js") == script("player.js") + script("seek.js")
    assert "&lt;b&gt;" in fill("review/notice.html", text="<b>", problem=True)
