"""Plain ASGI layers round the whole app: who may talk to it from a browser, headers, and bodies left unread."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drishtiksha.server.access import TokenBuckets
from drishtiksha.server.errors import refusal
from drishtiksha.services.folders import DISK_FULL
from drishtiksha.settings import LOOPBACK, Settings

LINGER_S = 3.0
LINGER_BYTES = 32_000_000
"""How long, and for how much, an answered client may still talk before the connection is cut: one that hears nothing
but a reset would never read the answer."""

FORM_BYTES = 8_000_000
"""Of a body that is no upload: what an event of the page is given, without its files."""
BODY_S = 30.0
"""How long the page's clients may send nothing in the midst of a body: each holds a connection and what came so far."""
DISK_RESERVE = 0.02
"""Share of the disk that uploads to the page leave free."""
LOGINS_PER_MINUTE = 10
"""From one address, right or wrong."""


_TOO_LARGE = "That is more than the {:,.0f} MB that this server takes here."
_SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
_EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_API = {"cache-control": "no-store", "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox"}
_PAGE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
)
"""Gradio starts by inline scripts and makes functions out of text; nothing comes from or goes to another site."""
_NOBODY = "frame-ancestors 'none'"
_SPACES = "frame-ancestors 'self' https://huggingface.co https://*.hf.space"
"""Who may show the page in a frame: on Hugging Face Spaces, where it always stands in one, the Hub."""


_ELSEWHERE = re.compile(r"/proxy=|/file=\s*[a-z][a-z0-9+.-]*:/", re.IGNORECASE)
_FOR_MAKERS = re.compile(r"/gradio_api/+(?:dev/|(?:undo-)?vibe-)", re.IGNORECASE)
"""Gradio's addresses for who writes the page: one of them looks twenty times a second, for each who asks, whether its source has
changed."""


def own_path(scope: Scope) -> str:
    """What is asked for, without the path below which a proxy offers this server."""
    path: str = scope["path"]
    above = scope.get("root_path", "").rstrip("/")
    return path[len(above) :] if above and path.startswith(f"{above}/") else path


def is_api(scope: Scope) -> bool:
    """Whether something of this server is asked for rather than of the page mounted beside it."""
    path = own_path(scope)
    return path.startswith("/api/") or path in ("/healthz", "/readyz", "/metrics")


class SecurityHeaders:
    """Adds what keeps other sites' pages and guesses of a browser away from what is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, on_space = app, "SPACE_ID" in os.environ
        self._page = {"content-security-policy": _PAGE + (_SPACES if on_space else _NOBODY)}
        if not on_space:
            self._page["x-frame-options"] = "DENY"  # for browsers that do not know the policy; it can name nobody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        wanted = _EVERYWHERE | (_API if is_api(scope) else self._page)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.startswith("access-control-")]:
                    del headers[name]  # gradio lets every site read what it answers
                for name, value in wanted.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)


class SameSite:
    """Refuses names that this server does not go by (DNS rebinding) and changes asked for by another site's page."""

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str], pages: Collection[str] = ()) -> None:
        """`allowed_hosts`: names without port; empty = any. pages: further names that the page comes from."""
        self.app, self.allowed = app, {host.lower() for host in allowed_hosts}
        # Behind a proxy that does not pass the name on, the page comes from a name that `Host` does not say. Of this
        # machine's own names that is not believed: other programs have pages there, too.
        self._pages = (self.allowed - set(LOOPBACK)) | {page.lower() for page in pages if page}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (why := self._objection(scope)) is not None:
            response = refusal("wrong_origin", why, 403)
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _objection(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        # By the name that a proxy passes on gradio writes its own address into the page.
        passed_on = headers.get("x-forwarded-host", host).partition(",")[0].strip().lower()
        if self.allowed and not {_hostname(host), _hostname(passed_on)} <= self.allowed:
            return "This server is not called by that name. Use its own address, or start it with --allow-host."
        origin = headers.get("origin")
        if scope.get("method") in _SAFE or origin is None:  # a WebSocket has no method, and is open to every page
            return None
        page = origin.partition("://")[2].lower()
        if page != host and _hostname(page) not in self._pages:
            return "A page of another site may not change anything here."
        return None


class NothingElsewhere:
    """Refuses the addresses by which gradio leads to other sites, or asks them, and those that serve only its makers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = unquote(scope["path"]) if scope["type"] == "http" else ""
        why = (
            "Nothing of another site is served here."
            if _ELSEWHERE.search(path)
            else "There is nothing at this address."
            if _FOR_MAKERS.search(path)
            else ""
        )
        if why:
            await refusal("not_found", why, 404)(scope, receive, send)
            return
        await self.app(scope, receive, send)


class SlowLogins:
    """Bounds how fast passwords of the page can be guessed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self._buckets = app, TokenBuckets(LOGINS_PER_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and own_path(scope).rstrip("/") == "/login":
            address = scope["client"][0] if scope.get("client") else ""
            if wait_s := self._buckets.take(address):
                response = refusal("too_many_requests", "Too many attempts to log in. Wait a moment.", 429, wait_s)
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)


class BoundedBodies:
    """Refuses bodies that no page of ours sends, before they are read: what is no upload is held in memory as a whole, and
    uploads must not fill the disk, since they lie there before anybody counts them."""

    def __init__(self, app: ASGIApp, max_upload: int) -> None:
        """max_upload: bytes of a file that may be uploaded to the page."""
        self.app, self._max_upload = app, max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or own_path(scope).startswith("/api/"):  # whose only body is counted as it comes
            await self.app(scope, receive, send)
            return
        upload = scope["path"].rstrip("/").endswith("/upload")
        most = self._max_upload + FORM_BYTES if upload else FORM_BYTES
        stated = Headers(scope=scope).get("content-length", "0")
        size = int(stated) if stated.isdecimal() else 0
        if size > most or (upload and _fills_the_disk(size)):
            kind, why, status = ("quota", DISK_FULL, 507) if size <= most else ("too_large", _TOO_LARGE, 413)
            await refusal(kind, why.format(most / 1e6), status)(scope, receive, send)
            return
        left, more = most, True

        async def counted() -> Message:
            """Of a body that does not state its length: it breaks off where it is too long, and any where it comes to a standstill."""
            nonlocal left, more
            try:
                async with asyncio.timeout(BODY_S if more else None):
                    message = await receive()
            except TimeoutError:
                return {"type": "http.disconnect"}
            left -= len(message.get("body", b""))
            more = message.get("more_body", False)
            return message if left >= 0 else {"type": "http.disconnect"}

        await self.app(scope, counted, send)


def _fills_the_disk(size: int) -> bool:
    """Whether a body of so many bytes leaves too little room where the page's uploads lie; their folder is made at the first."""
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()).absolute()
    disk = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.is_dir()))
    return disk.free - size < DISK_RESERVE * disk.total


class SmallPage:
    """Compresses the page itself, most of which is Gradio's description of its parts. Not the rest: Gradio compresses its
    scripts, and evidence is served in ranges."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.compressed = app, GZipMiddleware(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = scope["type"] == "http" and own_path(scope) == "/"
        await (self.compressed if page else self.app)(scope, receive, send)


def page_walls(settings: Settings, host: str, *, proxied: bool) -> list[Middleware]:
    """What stands round a page that is served alone, listening at `host`; `create_app` has the same."""
    names = LOOPBACK if host in LOOPBACK and not proxied else ()
    return [
        Middleware(SmallPage),
        Middleware(SecurityHeaders),
        Middleware(NothingElsewhere),
        Middleware(SameSite, allowed_hosts=names, pages=[os.environ.get("SPACE_HOST", "")]),
        *([Middleware(SlowLogins)] if settings.login else []),
        Middleware(BoundedBodies, max_upload=settings.limits.max_bytes),
    ]


class Lingering:
    """Closes a connection whose request body was not read to its end, once the client had time to read the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers({})
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        unread = True

        async def noted() -> Message:
            nonlocal unread
            message = await receive()
            unread = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def closing(message: Message) -> None:
            if unread and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["connection"] = "close"
            if unread and message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await _drain(noted, lambda: unread)
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self.app(scope, noted, closing)


async def _drain(receive: Receive, unread: Callable[[], bool]) -> None:
    size = 0
    try:
        async with asyncio.timeout(LINGER_S):
            while size < LINGER_BYTES and unread():
                size += len((await receive()).get("body", b""))
    except TimeoutError:
        return


def _hostname(netloc: str) -> str:
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""
