"""axe-core finds nothing wrong on any tab, in light and in dark."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


def found(page) -> list[str]:
    violations = Axe().run(page, options=RULES).response["violations"]
    return [f"{one['id']}: {node['target']} {node['html'][:160]}" for one in violations for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_found_on_any_tab(open_page, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    wrong = {"empty page": found(page)}
    page.click("#dk-examples button[data-state=signs] >> nth=1")
    page.wait_for_selector("#dk-timeline .dk-svg")
    wrong["an answer"] = found(page)
    for tab, ready in (
        ("Compare", "#dk-picks label"),
        ("Review", "#dk-review-filters select"),
        ("Models", ".dk-shelf"),
    ):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector(ready)
        wrong[tab] = found(page)
    assert {place: what for place, what in wrong.items() if what} == {}
