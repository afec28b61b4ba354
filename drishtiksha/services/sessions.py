"""Browsers of a public page told apart by a cookie, so that whoever opened a case may delete it and nobody else may."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from drishtiksha.casefile import Role, Viewer

COOKIE = "drishtiksha_session"
KEPT_S = 30 * 24 * 3600
"""A browser keeps its cookie for so long; its cases are deleted far earlier."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

App = Callable[[Any, Any, Any], Awaitable[None]]


def visitor(cookies: Mapping[str, str]) -> Viewer:
    """Who has these cookies; without one of ours a stranger who owns nothing after this request.

    The case keeps a hash, so that the database gives no session away.
    """
    token = cookies.get(COOKIE) or ""
    if not _TOKEN.fullmatch(token):
        token = secrets.token_urlsafe(32)
    return Viewer(session=f"session:{hashlib.sha256(token.encode()).hexdigest()}", role=Role.VISITOR)


class SessionCookie:
    """Gives every browser that has none a random cookie that scripts cannot read. ASGI middleware.

    Within the request that brings none, the new one counts already. Over HTTPS it is also sent within a frame of another
    site, as the page of a Space is shown.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or _TOKEN.fullmatch(_cookies(scope).get(COOKIE, "")):
            await self.app(scope, receive, send)
            return
        token = secrets.token_urlsafe(32)
        scope = dict(scope, headers=[*scope["headers"], (b"cookie", f"{COOKIE}={token}".encode())])
        where = "SameSite=None; Secure; Partitioned" if scope.get("scheme") == "https" else "SameSite=Lax"
        cookie = f"{COOKIE}={token}; HttpOnly; Path=/; Max-Age={KEPT_S}; {where}"

        async def send_with_cookie(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = dict(message, headers=[*message.get("headers", []), (b"set-cookie", cookie.encode())])
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _cookies(scope: Any) -> dict[str, str]:
    """The cookies of a request; none where they cannot be read."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                found |= {key: morsel.value for key, morsel in SimpleCookie(value.decode("latin-1")).items()}
            except CookieError:
                continue
    return found
