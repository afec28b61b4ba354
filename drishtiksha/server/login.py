"""How the page asks whether a password is right, whoever serves it."""

from __future__ import annotations

from typing import Any

from drishtiksha.store.accounts import Accounts


def authenticator(accounts: Accounts) -> Any:
    """A coroutine function (name, password) -> whether they belong together; gradio waits for one.

    The slow hash of a password runs in a thread, one at a time: it holds up nobody who uses the page.
    """
    import anyio
    import anyio.to_thread

    one_by_one = anyio.CapacityLimiter(1)

    async def authenticate(name: str, password: str) -> bool:
        return await anyio.to_thread.run_sync(accounts.authenticate, name, password, limiter=one_by_one)

    return authenticate
