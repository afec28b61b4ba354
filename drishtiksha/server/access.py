"""Who asks, and how often: API keys and a token bucket a key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, Request

from drishtiksha.casefile import LOCAL, Role, Viewer
from drishtiksha.errors import RequestError
from drishtiksha.services.sessions import session_of, visitor
from drishtiksha.settings import Settings
from drishtiksha.store.accounts import Accounts

MAX_BUCKETS = 10_000
KEY_NAMES = frozenset({"key", "api_key", "api-key", "apikey", "x-api-key", "token", "access_token", "authorization"})
"""What people call a key that they put into an address."""


class TokenBuckets:
    """So many requests a minute for each name, in bursts of at most that many. Safe to share between threads."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self._clock = per_minute, clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, name: str) -> float:
        """Take one token; 0 when there was one, else the seconds until there is."""
        now = self._clock()
        with self._lock:
            if len(self._buckets) >= MAX_BUCKETS:
                self._forget_full(now)
            tokens = self._filled(name, now)
            if tokens < 1:
                return (1 - tokens) * 60 / self.per_minute
            self._buckets[name] = (tokens - 1, now)
            return 0.0

    def _filled(self, name: str, now: float) -> float:
        tokens, then = self._buckets.get(name, (float(self.per_minute), now))
        return min(float(self.per_minute), tokens + (now - then) * self.per_minute / 60)

    def _forget_full(self, now: float) -> None:
        kept = {n: bucket for n, bucket in self._buckets.items() if self._filled(n, now) < self.per_minute}
        self._buckets = kept if len(kept) < MAX_BUCKETS else {}


class Gate:
    """Lets a request to the API in, or raises."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self.accounts, self._public = accounts, settings.public
        # With a login on the page an open API would be a way around it.
        self.needs_key = settings.api_keys_required or settings.login
        rate = settings.rate_limit_per_minute
        self._buckets = TokenBuckets(rate) if rate is not None else None

    def admit(self, request: Request) -> Viewer:
        """Who asks. Without a key, where none is needed: a visitor of a public server, else the person at this machine.

        Raises: RequestError (400, 401, 429).
        """
        if KEY_NAMES & {name.lower() for name in request.query_params}:
            raise RequestError(
                "key_in_address",
                "A key does not belong into an address, which is kept in histories and logs: send it as the header "
                "X-API-Key. If it was a real one, revoke it and make another.",
                400,
            )
        key = _key(request)
        address = f"address {request.client.host if request.client else ''}"
        if key is None:
            if self.needs_key:
                self._count(address)
                raise RequestError("key_required", "This server asks for an API key. Ask whoever runs it for one.", 401)
            self._count(address)
            return visitor(session_of(request.scope)) if self._public else LOCAL
        holder = self.accounts.key_holder(key)
        if holder is None:
            self._count(address)
            raise RequestError("key_unknown", "This API key is not known here, or was revoked.", 401)
        self._count(f"key {holder.key_id}")
        return Viewer(name=holder.name, role=Role.REVIEWER if holder.reviewer else Role.MEMBER)

    def _count(self, name: str) -> None:
        wait_s = self._buckets.take(name) if self._buckets else 0.0
        if wait_s and self._buckets:
            limit = self._buckets.per_minute
            raise RequestError(
                "too_many_requests", f"More than {limit} requests a minute. Wait a moment.", 429, retry_s=wait_s
            )


def _key(request: Request) -> str | None:
    """From `Authorization: Bearer` or `X-API-Key`; other schemes of authorization are a proxy's business."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key")


async def _admitted(request: Request) -> Viewer:
    """In the event loop where no key must be looked up: a turn of a thread takes longer than the rest of such a request."""
    gate: Gate = request.app.state.services.gate
    return gate.admit(request) if _key(request) is None else await anyio.to_thread.run_sync(gate.admit, request)


Admitted = Annotated[Viewer, Depends(_admitted)]
