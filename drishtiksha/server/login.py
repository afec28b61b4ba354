"""How the page asks whether a password is right, whoever serves it."""

from __future__ import annotations

from typing import Any

from drishtiksha.store.accounts import Accounts


def protect(options: dict[str, Any], accounts: Accounts) -> None:
    """Have the page that is launched with these options ask for name and password, and answer guesses slowly."""
    from starlette.middleware import Middleware

    from drishtiksha.server.middleware import SlowLogins

    options["auth"] = authenticator(accounts)
    options["app_kwargs"]["middleware"].append(Middleware(SlowLogins))


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
