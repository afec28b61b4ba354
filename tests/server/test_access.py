"""Who may ask, and how often; what other sites' pages may not."""

from __future__ import annotations

import pytest
from server_kit import BRIGHT, refused, served, until_ended
from starlette.testclient import TestClient

from drishtiksha.server import access, create_app
from drishtiksha.server.access import TokenBuckets
from drishtiksha.server.middleware import FORM_BYTES

ROUTES = (
    "/api/models",
    "/api/cases",
    f"/api/cases/{'0' * 32}",
    f"/api/jobs/{'0' * 32}",
    f"/api/jobs/{'0' * 32}/events",
)


@pytest.fixture
def locked(app_of):
    return app_of(api_keys_required=True)


def accounts(app):
    return app.state.services.gate.accounts


def test_every_route_asks_for_a_key(locked, picture):
    with served(locked) as client:
        for route in ROUTES:
            response = client.get(route)
            refused(response, 401, "key_required")
            assert response.headers["www-authenticate"] == "Bearer"
        refused(client.post("/api/analyze", files={"file": ("a.png", picture)}), 401, "key_required")
        refused(client.get("/api/models", headers={"Authorization": "Bearer dk_nonsense"}), 401, "key_unknown")
        refused(client.get("/api/models", headers={"X-API-Key": ""}), 401, "key_unknown")
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200


@pytest.mark.slow
def test_both_headers_carry_a_key_until_it_is_revoked(locked):
    key = accounts(locked).add_key("ana")
    with served(locked) as client:
        assert client.get("/api/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        assert client.get("/api/models", headers={"X-API-Key": key}).status_code == 200
        accounts(locked).revoke_key("ana")
        refused(client.get("/api/models", headers={"X-API-Key": key}), 401, "key_unknown")


def test_with_a_login_on_the_page_the_api_is_not_a_way_around_it(app_of):
    with served(app_of(login=True)) as client:
        refused(client.get("/api/cases"), 401, "key_required")


@pytest.mark.slow
def test_where_strangers_use_it_nobody_lists_cases_without_a_key(app_of, picture):
    app = app_of(public=True)
    key = accounts(app).add_key("ana")
    with served(app) as client:
        made = client.post("/api/analyze", files={"file": ("w.png", picture)}, data={"wait": "true"}).json()
        refused(client.get("/api/cases"), 401, "key_required")
        assert client.get(f"/api/cases/{made['case_id']}").status_code == 200
        assert client.get("/api/cases", headers={"X-API-Key": key}).json() == []


def test_a_wrong_key_is_refused_even_where_none_is_needed(client):
    refused(client.get("/api/models", headers={"X-API-Key": "dk_wrong"}), 401, "key_unknown")
    assert client.get("/api/models", headers={"Authorization": "Basic YTpi"}).status_code == 200


@pytest.mark.slow
def test_two_users_do_not_see_each_other_and_a_reviewer_sees_both(locked, picture):
    keys = {name: accounts(locked).add_key(name, reviewer=name == "rev") for name in ("ana", "ben", "rev")}
    headers = {name: {"X-API-Key": key} for name, key in keys.items()}
    with served(locked) as client:
        made = {
            name: client.post(
                "/api/analyze", files={"file": ("w.png", picture)}, data={"model": BRIGHT}, headers=headers[name]
            ).json()
            for name in ("ana", "ben")
        }
        for name, job in made.items():
            until_ended(client, job["job_id"], **headers[name])
            assert [c["owner"] for c in client.get("/api/cases", headers=headers[name]).json()] == [name]
        theirs, case = made["ana"]["job_id"], made["ana"]["case_id"]
        for method, path in (
            ("GET", f"/api/jobs/{theirs}"),
            ("GET", f"/api/jobs/{theirs}/events"),
            ("POST", f"/api/jobs/{theirs}/cancel"),
            ("POST", f"/api/jobs/{theirs}/retry"),
            ("DELETE", f"/api/jobs/{theirs}"),
        ):
            refused(client.request(method, path, headers=headers["ben"]), 404, "job_gone")
        for method, path in (
            ("GET", f"/api/cases/{case}"),
            ("GET", f"/api/cases/{case}/report.html"),
            ("DELETE", f"/api/cases/{case}"),
        ):
            refused(client.request(method, path, headers=headers["ben"]), 404, "case_gone")
        assert len(client.get("/api/cases", headers=headers["rev"]).json()) == 2
        assert client.get(f"/api/jobs/{theirs}", headers=headers["rev"]).status_code == 200
        assert client.get(f"/api/cases/{case}", headers=headers["ana"]).status_code == 200


def test_a_key_has_its_own_rate(app_of):
    app = app_of(api_keys_required=True, rate_limit_per_minute=3)
    ana, ben = ({"X-API-Key": accounts(app).add_key(name)} for name in ("ana", "ben"))
    with served(app) as client:
        assert [client.get("/api/models", headers=ana).status_code for _ in range(3)] == [200] * 3
        response = client.get("/api/models", headers=ana)
        refused(response, 429, "too_many_requests")
        assert 1 <= int(response.headers["retry-after"]) <= 20
        assert client.get("/api/models", headers=ben).status_code == 200
        assert client.get("/healthz", headers=ana).status_code == 200


def test_guessing_keys_is_slowed_down(app_of):
    with served(app_of(api_keys_required=True, rate_limit_per_minute=3)) as client:
        codes = [client.get("/api/models", headers={"X-API-Key": f"dk_{n}"}).status_code for n in range(5)]
    assert codes == [401] * 3 + [429] * 2


def test_tokens_come_back_with_time():
    now = 0.0
    buckets = TokenBuckets(60, clock=lambda: now)
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == pytest.approx(1.0)
    assert buckets.take("b") == 0.0
    now = 2.5
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, pytest.approx(0.5)]


def test_buckets_do_not_grow_for_ever(monkeypatch):
    monkeypatch.setattr(access, "MAX_BUCKETS", 10)
    buckets = TokenBuckets(60, clock=lambda: 0.0)
    for number in range(1000):
        buckets.take(str(number))
    assert len(buckets._buckets) <= 10


@pytest.mark.slow
def test_another_sites_page_may_change_nothing(client, picture):
    files = {"file": ("w.png", picture)}
    bad = {"Origin": "https://evil.example"}
    refused(client.post("/api/analyze", files=files, headers=bad), 403, "wrong_origin")
    refused(client.delete(f"/api/cases/{'0' * 32}", headers={"Origin": "null"}), 403, "wrong_origin")
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post("/api/analyze", files=files, headers=own).status_code == 202
    seen = client.get("/api/cases", headers=bad)
    assert not [name for name in seen.headers if name.startswith("access-control")]
    preflight = client.options("/api/cases", headers={**bad, "Access-Control-Request-Method": "DELETE"})
    assert not [name for name in preflight.headers if name.startswith("access-control")]


@pytest.mark.slow
def test_only_names_that_the_server_goes_by_are_answered(app_of):
    services = app_of().state.services
    app = create_app(
        services.settings, services.manager, services.workbench, allowed_hosts=["127.0.0.1", "desk.example"]
    )
    with served(app) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/healthz", headers={"Host": "DESK.example:8080"}).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example", "[", ""):
            refused(client.get("/healthz", headers={"Host": host}), 403, "wrong_origin")
            refused(client.get("/healthz", headers={"X-Forwarded-Host": host}), 403, "wrong_origin")
        assert client.get("/healthz", headers={"X-Forwarded-Host": "desk.example, proxy"}).status_code == 200


def test_answers_carry_headers_that_browsers_heed(client):
    for path in ("/api/models", "/healthz", "/api/nothing", f"/api/jobs/{'0' * 32}"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers or "uvicorn" in headers["server"]


def test_passwords_cannot_be_guessed_fast(client):
    codes = [client.post("/login", data={"username": "ana", "password": str(n)}).status_code for n in range(12)]
    assert codes == [404] * 10 + [429] * 2


def test_below_a_path_of_a_proxy_the_same_walls_stand(app_of):
    with TestClient(app_of(), base_url="http://127.0.0.1", root_path="/desk") as client:
        codes = [client.post("/desk/login").status_code for _ in range(11)]
        assert (429 in codes[:10], codes[10]) == (False, 429)
        assert "sandbox" in client.get("/desk/api/models").headers["content-security-policy"]
        assert 'route="/api/models"' in client.get("/desk/metrics").text
        too_much = {"Content-Length": str(2 * FORM_BYTES)}
        assert client.post("/desk/gradio_api/queue/join", headers=too_much).status_code == 413
        assert client.post("/desk/api/analyze", headers=too_much).status_code == 415, "uploads are counted as they come"


def test_behind_a_proxy_the_page_may_come_from_the_name_that_was_allowed(app_of):
    services = app_of().state.services
    app = create_app(
        services.settings,
        services.manager,
        services.workbench,
        allowed_hosts=["localhost", "127.0.0.1", "desk.example"],
    )
    gone = f"/api/cases/{'0' * 32}"
    with served(app) as client:
        refused(client.delete(gone, headers={"Origin": "https://desk.example"}), 404, "case_gone")
        for origin in (
            "http://localhost:3000",
            "https://desk.example.evil.example",
            "https://evil.example/desk.example",
        ):
            refused(client.delete(gone, headers={"Origin": origin}), 403, "wrong_origin")
