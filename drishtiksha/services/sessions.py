"""Browsers of a public server told apart by a cookie, so that whoever opened a case may delete it and nobody else may."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drishtiksha.casefile import SESSION, Role, Viewer
from drishtiksha.platform import on_space

COOKIE = "drishtiksha_session"
KEPT_S = 30 * 24 * 3600
"""A browser keeps its cookie for so long; its cases are deleted far earlier."""
_NEW = "drishtiksha.session"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def visitor(secret: str | None) -> Viewer:
    """Who shows this secret; without one a stranger who owns nothing.

    The case keeps a hash of it, so that neither the database nor a report gives a session away.
    """
    session = f"{SESSION}{hashlib.sha256(secret.encode()).hexdigest()}" if secret else ""
    return Viewer(session=session, role=Role.VISITOR)


def secret_in(cookies: Mapping[str, str]) -> str | None:
    """The secret in our cookie; None where it is not there, or holds what we never give out."""
    secret = cookies.get(COOKIE, "")
    return secret if _TOKEN.fullmatch(secret) else None


def session_of(scope: Scope) -> str | None:
    """The secret in the cookie of a request, or the one that is set by its answer."""
    return scope.get(_NEW) or secret_in(HTTPConnection(scope).cookies)


class SessionCookie:
    """Gives every browser that has none a random cookie that scripts cannot read. ASGI middleware.

    On a Space, whose page stands in a frame of another site, the cookie is `Partitioned`, else `SameSite=Lax`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._where = "SameSite=None; Secure; Partitioned" if on_space() else "SameSite=Lax"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or secret_in(HTTPConnection(scope).cookies):
            await self.app(scope, receive, send)
            return
        token = secrets.token_urlsafe(32)
        secure = "; Secure" if scope.get("scheme") == "https" and "Secure" not in self._where else ""
        cookie = f"{COOKIE}={token}; HttpOnly; Path=/; Max-Age={KEPT_S}; {self._where}{secure}"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = dict(message, headers=[*message.get("headers", []), (b"set-cookie", cookie.encode())])
            await send(message)

        await self.app(dict(scope, **{_NEW: token}), receive, send_with_cookie)
