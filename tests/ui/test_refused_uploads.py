"""Nothing stays of a file that was refused, and nobody plans with somebody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from desk_names import BRIGHT

from drishtiksha.casefile import LOCAL, Viewer
from drishtiksha.errors import MediaError
from drishtiksha.ui.analyze import handlers
from drishtiksha.ui.compare import handlers as compare
from drishtiksha.ui.shared import shown
from drishtiksha.ui.shared.desk import Desk


@pytest.mark.slow
@pytest.mark.parametrize("fault", [MediaError("It cannot be shown."), RuntimeError("a fault of ours")])
@pytest.mark.parametrize("tab", ["analyze", "compare"])
def test_a_file_that_cannot_be_shown_is_gone(
    desk: Desk, upload: Any, bright_picture: Path, monkeypatch: pytest.MonkeyPatch, tab: str, fault: Exception
) -> None:
    def broken(*_: object) -> Path:
        raise fault

    monkeypatch.setattr(shown, "display_copy", broken)
    path = upload(bright_picture, "bright.png")
    if tab == "analyze":
        (told,) = handlers.take_upload(desk, str(path), LOCAL)
        assert "could not be opened" in told["notice"]
    else:
        assert "could not be opened" in compare.take(desk, compare.Setup(), "a", path, LOCAL, upload=True)["status"]
    assert not path.exists()
    assert desk.workbench.seen_by(LOCAL).cases() == []
    for root in (desk.settings.cases_dir, desk.settings.derived_dir):
        assert not root.is_dir() or list(root.iterdir()) == []


@pytest.mark.slow
def test_the_second_file_of_a_comparison_is_asked_for_too(desk: Desk, bright_picture: Path) -> None:
    ada, ben = Viewer(name="ada"), Viewer(name="ben")
    mine, theirs = (desk.take(bright_picture, "bright.png", who).case_id for who in (ada, ben))
    setup = compare.Setup(mine, theirs, "files", (BRIGHT,))
    for answer in (compare.planned(desk, setup, ada), compare.change_mode(desk, setup, ada)):
        assert "no longer here" in str(answer)
    assert "no longer here" not in str(compare.planned(desk, compare.Setup(mine, mine, "files", (BRIGHT,)), ada))
