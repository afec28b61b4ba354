"""What `drishtiksha keys` and `drishtiksha users` share: the accounts of the settings' database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from drishtiksha.cli.console import failures_as_exit_codes
from drishtiksha.settings import load_settings

if TYPE_CHECKING:
    from drishtiksha.store.accounts import Accounts


@contextmanager
def opened_accounts() -> Iterator[Accounts]:
    """The accounts, closed again at the end; errors become exit codes."""
    # Other commands must not wait for SQLAlchemy.
    from drishtiksha.store.accounts import Accounts
    from drishtiksha.store.db import open_store

    with failures_as_exit_codes():
        settings = load_settings()
        store = open_store(settings.database_url, settings.data_root)
        try:
            yield Accounts(store)
        finally:
            store.close()
