"""The guard that the handlers of every tab stand behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drishtiksha.casefile import LOCAL
from drishtiksha.errors import CaseGoneError
from drishtiksha.services import apart
from drishtiksha.ui.shared import downloads
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.failure import failure_line, guarded


@guarded(failure_line)
def answer(error: Exception) -> str:
    raise error


@guarded(failure_line)
def stream(error: Exception) -> Iterator[str]:
    yield "first"
    raise error


def test_a_foreseen_failure_is_its_own_sentence(caplog: pytest.LogCaptureFixture) -> None:
    gone = CaseGoneError("It is gone.")
    assert answer(gone) == "It is gone."
    assert list(stream(gone)) == ["first", "It is gone."]
    assert not caplog.records


def test_an_unforeseen_failure_is_logged_with_the_reference_that_is_told(caplog: pytest.LogCaptureFixture) -> None:
    for told in (answer(ZeroDivisionError("/secret")), list(stream(ZeroDivisionError("/secret")))[-1]):
        assert "/secret" not in told
        reference = told.rpartition("(")[2].rstrip(")")
        assert reference in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_whoever_stops_listening_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    listening = stream(ZeroDivisionError())
    next(listening)
    listening.close()
    assert not caplog.records


def test_a_report_that_fails_gives_the_buttons_back(
    desk: Desk, bright_picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(apart, "write", broken)
    case = desk.take(bright_picture, "bright.png", LOCAL)
    made = downloads.make(desk, case.case_id, "pdf", LOCAL)
    assert "Something failed that should not have" in made
    assert "aria-disabled" not in made
    assert "data-fresh" not in made
