from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drishtiksha.store.db import Store, open_store


@pytest.fixture
def reopened(database_url: str | None, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the test's database, as one more process would; all are closed at the end."""
    opened: list[Store] = []

    def again() -> Store:
        opened.append(open_store(database_url, tmp_path / "data"))
        return opened[-1]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(reopened: Callable[[], Store]) -> Store:
    return reopened()
