"""What Prometheus reads: one registry an app, so that two apps in one process do not mix."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import func, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drishtiksha.casefile import JobState
from drishtiksha.server.middleware import is_api
from drishtiksha.store.db import Store
from drishtiksha.store.tables import JobRow, ResultRow

SECONDS = (0.5, 1, 2, 5, 10, 20, 60, 180, 600, 1800)
BYTES = (1e4, 1e5, 1e6, 1e7, 1e8, 5e8)


class Metrics:
    """Jobs are counted in the database when somebody asks, so every process on it tells the same."""

    def __init__(self, store: Store) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "drishtiksha_http_requests", "Requests to the API.", ["method", "route", "status"], registry=self.registry
        )
        self.upload_bytes = Histogram(
            "drishtiksha_upload_bytes", "Sizes of files received.", buckets=BYTES, registry=self.registry
        )
        self.seconds = Histogram(
            "drishtiksha_analysis_seconds",
            "Time that a model took for a file, since this process started.",
            ["model", "kind"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Jobs(store))
        self._store, self._lock = store, threading.Lock()
        self._seen = self._newest_result()

    def text(self) -> bytes:
        """The exposition format. Raises: sqlalchemy.exc.SQLAlchemyError when the database is gone."""
        self._observe_new_results()
        return generate_latest(self.registry)

    def _newest_result(self) -> int:
        with self._store.read() as session:
            return session.scalar(select(func.max(ResultRow.id))) or 0

    def _observe_new_results(self) -> None:
        """Result numbers only grow, and are never used again."""
        query = select(ResultRow.id, ResultRow.model, ResultRow.kind, ResultRow.seconds).order_by(ResultRow.id)
        with self._lock:
            with self._store.read() as session:
                rows = session.execute(query.where(ResultRow.id > self._seen)).all()
            for number, model, kind, seconds in rows:
                self.seconds.labels(model, kind).observe(seconds)
                self._seen = number


class _Jobs:
    """Collects the state of the queue."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[Metric]:
        """Without it the registry would ask the database at once."""
        return []

    def collect(self) -> Iterator[Metric]:
        with self._store.read() as session:
            query = select(JobRow.state, func.count()).group_by(JobRow.state)
            counts: dict[str, int] = {state: count for state, count in session.execute(query)}  # noqa: C416 - rows are no tuples to mypy
        jobs = GaugeMetricFamily("drishtiksha_jobs", "Jobs that are kept, by state.", labels=["state"])
        for state in JobState:
            jobs.add_metric([state.value], counts.get(state.value, 0))
        yield jobs
        waiting = counts.get(JobState.QUEUED.value, 0)
        yield GaugeMetricFamily("drishtiksha_queue_length", "Jobs that wait for a worker.", waiting)


class CountRequests:
    """Counts each request to the API under the template of its route, never under its address."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_api(scope):
            await self.app(scope, receive, send)
            return
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD", "OPTIONS") else "other"
            self.metrics.requests.labels(method, route, str(status)).inc()
