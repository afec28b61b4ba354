"""Jobs over HTTP: watched, stopped, tried again, deleted."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import anyio.to_thread
import httpx
import pytest
from fastapi.routing import APIRoute
from server_kit import BRIGHT, SLOW, refused, served, until_ended, until_running

from drishtiksha.casefile import JobView
from drishtiksha.server import jobs
from drishtiksha.store.db import Store

NOBODYS = "0" * 32


def started(client, video) -> str:
    return client.post("/api/analyze", files={"file": ("v.mp4", video)}, data={"model": SLOW}).json()["job_id"]


def events(response):
    """(name, data) of each event; comments as ("", text)."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])
        elif line.startswith(":"):
            yield "", line


@pytest.mark.slow
def test_events_tell_the_progress_and_the_end(client, video):
    job_id = started(client, video)
    with client.stream("GET", f"/api/jobs/{job_id}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = list(events(response))
    assert {name for name, _ in told[:-1]} == {"progress"}
    seen = [view["progress"] for _, view in told[:-1] if view["phase"] == "score"]
    assert len(set(seen)) > 2
    assert all("results" not in view for _, view in told[:-1])
    name, last = told[-1]
    assert name == "ended"
    assert JobView.model_validate(last) == JobView.model_validate(client.get(f"/api/jobs/{job_id}").json())
    assert last["state"] == "done"


@pytest.mark.slow
def test_events_of_an_ended_job_are_its_end_at_once(client, video):
    job_id = started(client, video)
    until_ended(client, job_id)
    with client.stream("GET", f"/api/jobs/{job_id}/events") as response:
        assert [name for name, _ in events(response)] == ["ended"]


@pytest.mark.slow
def test_closing_the_stream_does_not_stop_the_job(client, video):
    job_id = started(client, video)
    with client.stream("GET", f"/api/jobs/{job_id}/events") as response:
        next(events(response))
    assert until_ended(client, job_id)["state"] == "done"


@pytest.mark.slow
def test_a_stream_without_news_gives_a_sign_of_life(client, video, monkeypatch):
    monkeypatch.setattr(jobs, "HEARTBEAT_S", 0.0)
    started(client, video)
    waiting = started(client, video)
    with client.stream("GET", f"/api/jobs/{waiting}/events") as response:
        for name, text in events(response):
            if name == "":
                assert "still here" in text
                return
    raise AssertionError("no heartbeat came")


@pytest.mark.slow
def test_a_stream_of_a_deleted_job_says_so(client, video):
    job_id = started(client, video)
    with client.stream("GET", f"/api/jobs/{job_id}/events") as response:
        stream = events(response)
        next(stream)
        assert client.delete(f"/api/jobs/{job_id}").status_code == 204
        name, data = list(stream)[-1]
    assert (name, data["error"]) == ("gone", "job_gone")


@pytest.mark.slow
def test_cancel_and_retry(client, video):
    job_id = started(client, video)
    until_running(client, job_id)
    assert client.post(f"/api/jobs/{job_id}/cancel").status_code == 200
    stopped = until_ended(client, job_id)
    assert stopped["state"] == "cancelled"
    assert stopped["results"] == []
    again = client.post(f"/api/jobs/{job_id}/retry")
    assert again.status_code == 202
    assert again.json()["job_id"] == job_id
    assert until_ended(client, job_id)["state"] == "done"
    refused(client.post(f"/api/jobs/{job_id}/retry"), 409, "job_state")


@pytest.mark.slow
def test_deleting_a_running_job_deletes_its_case(client, video):
    job_id = started(client, video)
    case_id = until_running(client, job_id)["case_id"]
    assert client.delete(f"/api/jobs/{job_id}").status_code == 204
    refused(client.get(f"/api/jobs/{job_id}"), 404, "job_gone")
    refused(client.get(f"/api/cases/{case_id}"), 404, "case_gone")
    assert client.get("/api/cases").json() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")],
)
def test_what_is_not_there_is_said_in_words(client, method, path):
    refused(client.request(method, f"/api/jobs/{NOBODYS}{path}"), 404, "job_gone")
    refused(client.request(method, f"/api/jobs/nonsense{path}"), 422, "bad_request")


@pytest.mark.slow
def test_only_so_many_watch_at_once(client, video, monkeypatch):
    monkeypatch.setattr(jobs, "WATCHERS_AT_ONCE", 1)
    job_id = started(client, video)
    with client.stream("GET", f"/api/jobs/{job_id}/events") as response:
        stream = events(response)  # kept: a forgotten iterator closes its connection
        next(stream)
        refused(client.get(f"/api/jobs/{job_id}/events"), 503, "busy")
    until_ended(client, job_id)
    assert client.get(f"/api/jobs/{job_id}/events").status_code == 200


@pytest.mark.parametrize("is_file", [True, False], ids=["a file", "across a network"])
def test_a_poll_waits_for_no_thread_where_the_database_is_a_file(app_of, picture, monkeypatch, is_file):
    app, holds, let_go = app_of(), threading.Event(), threading.Event()

    async def one_thread() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1

    def hold() -> None:
        holds.set()
        let_go.wait(20)

    app.router.routes[:0] = [APIRoute("/one", one_thread), APIRoute("/hold", hold)]
    with served(app) as client, ThreadPoolExecutor(2) as others:
        job = client.post("/api/analyze", files={"file": ("p.png", picture)}, data={"model": BRIGHT}).json()["job_id"]
        until_ended(client, job)
        monkeypatch.setattr(Store, "is_file", is_file)
        client.get("/one")
        held = others.submit(httpx.get, f"{client.base_url}/hold", timeout=60)
        assert holds.wait(20)
        asked = others.submit(client.get, f"/api/jobs/{job}")
        assert bool(wait([asked], timeout=20 if is_file else 0.5).done) is is_file
        let_go.set()
        assert held.result().is_success
        assert asked.result().json()["state"] == "done"
