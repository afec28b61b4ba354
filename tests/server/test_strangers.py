"""Whoever has nothing but a link reads: every route and every event of a public page, over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from server_kit import BRIGHT, SLOW, refused, served, until_ended, until_running

from drishtiksha.casefile import LOCAL
from drishtiksha.services.sessions import COOKIE
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.blocks import mount
from drishtiksha.ui.shared.templates import script


@pytest.fixture
def public(app_of) -> Iterator[tuple[Any, httpx.Client]]:
    """The workbench of a public server with its page, and a client of it that keeps its cookie."""
    app = app_of(public=True, manage_models=False)
    bench = app.state.services.workbench
    with served(mount(app, bench.settings, bench)) as client:
        yield bench, client


@pytest.fixture
def stranger(public) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=public[1].base_url, timeout=60) as client:
        client.get("/")  # brings a cookie of its own
        yield client


def sent(client: httpx.Client, content: bytes, name: str, model: str) -> dict[str, Any]:
    answer = client.post("/api/analyze", files={"file": (name, content)}, data={"model": model})
    return answer.raise_for_status().json()


@pytest.mark.slow
def test_a_cookie_owns_what_it_sent_and_a_link_only_reads(public, stranger, video):
    _, owner = public
    job = sent(owner, video, "v.mp4", SLOW)
    until_running(stranger, job["job_id"])
    cookie = owner.cookies[COOKIE]
    assert cookie
    assert cookie != stranger.cookies[COOKIE]
    case, running = f"/api/cases/{job['case_id']}", f"/api/jobs/{job['job_id']}"
    for method, path in (
        ("DELETE", case),
        ("DELETE", running),
        ("POST", f"{running}/cancel"),
        ("POST", f"{running}/retry"),
    ):
        assert "Only" in refused(stranger.request(method, path), 403, "not_allowed")
        refused(httpx.request(method, owner.base_url.join(path)), 403, "not_allowed")
    for path in (case, f"{case}/jobs", running):
        answer = stranger.get(path).raise_for_status()
        assert cookie not in answer.text
        assert "session:" not in answer.text
    assert owner.post(f"{running}/cancel").status_code == 200
    assert until_ended(owner, job["job_id"])["state"] == "cancelled"
    assert owner.delete(case).status_code == 204
    refused(stranger.get(case), 404, "case_gone")


@pytest.mark.slow
def test_the_cookie_is_random_and_out_of_reach_of_scripts(public):
    given = httpx.get(public[1].base_url.join("/api/models")).headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(given.split("; "))
    assert len(given.partition(";")[0]) == len(COOKIE) + 44


@pytest.mark.slow
def test_on_a_space_the_cookie_is_kept_within_the_frame_of_another_site(app_of, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "somebody/drishtiksha")
    with served(app_of(public=True)) as client:
        given = client.get("/api/models").headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=None", "Partitioned"} <= set(given.split("; "))


def test_a_server_of_this_machine_alone_sets_no_cookie(client):
    assert "set-cookie" not in client.get("/api/models").headers


@pytest.mark.slow
def test_no_event_of_the_page_lets_a_stranger_change_anything(public, stranger, video):
    """All events, in a page that was opened by a link to a waiting job, by one to an ended job and by one to a comparison."""
    bench, owner = public
    done = sent(owner, video, "v.mp4", BRIGHT)
    until_ended(owner, done["job_id"])
    *_, busy = (sent(owner, video, "w.mp4", SLOW) for _ in range(8))  # it waits for all before it
    links = ({"job": busy["job_id"]}, {"job": done["job_id"]}, {"compare": f"{done['job_id']}-{busy['job_id']}"})
    config = stranger.get("/config").json()
    before = state_of(bench, (done, busy))
    told = ""
    for number, link in enumerate(links):
        page = Page(stranger, config, f"stranger{number}", link)
        for dependency in page.events():
            told += page.fire(dependency, done["case_id"])
    assert "Only whoever opened this case" in told
    assert "v.mp4" in told, "what a link leads to is shown"
    assert {name: facts for name, facts in state_of(bench, (done, busy)).items() if name in before} == before
    assert owner.delete(f"/api/cases/{busy['case_id']}").status_code == 204


class Page:
    """A page of the app, opened with a link, whose events are fired one after the other."""

    def __init__(self, client: httpx.Client, config: dict[str, Any], session: str, link: dict[str, str]) -> None:
        self._client, self._config, self._session, self._link = client, config, session, link
        self._values = {one["id"]: one["props"].get("value") for one in config["components"]}
        self._kinds = {one["id"]: one["type"] for one in config["components"]}

    def events(self) -> list[dict[str, Any]]:
        """All that run on the server but the two public endpoints, which make cases of their own; first those that the address
        asks for."""
        asked = [
            one for one in self._config["dependencies"] if one["backend_fn"] and one["api_visibility"] == "private"
        ]
        assert len(asked) > 30
        scripts = {one["id"]: one["props"].get("js_on_load") for one in self._config["components"]}
        linked = script("linked.js")
        opened = [one for one in asked if any(scripts.get(target[0]) == linked for target in one["targets"])]
        assert len(opened) == 2, "of a job, and of a comparison"
        return opened + [one for one in asked if one not in opened]

    def fire(self, dependency: dict[str, Any], case_id: str) -> str:
        """Everything that comes back until the event has ended; a stream of a running job is left after a while."""
        data = [None if self._kinds[one] == "state" else self._values[one] for one in dependency["inputs"]]
        said = json.dumps({"verdict": "genuine", "confidence": "low", "reviewer": "Eve", "notes": [], "tags": []})
        body = {
            "data": data,
            "fn_index": dependency["id"],
            "session_hash": self._session,
            "event_data": {
                "person": 0, "index": 0, "value": "", "fraction": 0.5, "narrow": False, "time": 0.5, "format": "json",
                "filter": "noise", "case_id": case_id, "said": said, "model": BRIGHT, "action": "unload",
            },
        }  # fmt: skip
        joined = self._client.post("/gradio_api/queue/join", json=body, params=self._link)
        assert joined.status_code == 200, joined.text
        told, deadline = "", time.monotonic() + 1.5
        with self._client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self._session}) as stream:
            for line in stream.iter_lines():
                told += line
                if '"process_completed"' in line or '"close_stream"' in line or time.monotonic() > deadline:
                    break
        return told


def state_of(bench: Any, jobs: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """What may not change: the cases, their reviews, and which jobs there are and whether somebody stopped them."""
    found = {}
    for job in jobs:
        case = bench.seen_by(LOCAL).open(job["case_id"])
        assert case.evidence().path.is_file()
        assert not [one for one in case.jobs() if one.state == "cancelled"]
        found[job["case_id"]] = (case.reviews(), [one.job_id for one in case.jobs()])
    return found


@pytest.mark.slow
def test_nothing_stays_of_a_file_that_no_job_was_made_for(public, picture, monkeypatch):
    bench, client = public

    def broken(*_: object, **__: object) -> str:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(OpenCase, "submit", broken)
    answer = client.post("/api/analyze", files={"file": ("w.png", picture)}, data={"model": BRIGHT})
    refused(answer, 500, "internal")
    assert bench.seen_by(LOCAL).cases() == []
    assert [path for path in bench.settings.data_root.rglob("*") if path.is_file() and path.suffix == ".png"] == []
