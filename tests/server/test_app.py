"""The app as a whole: health, metrics, addresses, start and stop."""

from __future__ import annotations

import os

import pytest
from detector_kit import entry, manager_of
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from server_kit import ABSENT, BRIGHT, refused, served

from drishtiksha.errors import ModelRegistryError
from drishtiksha.server import app as app_module
from drishtiksha.server import create_app


def samples(client) -> dict[tuple[str, ...], float]:
    """(name, label values ...) -> value."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


def test_health(client):
    alive = client.get("/healthz").json()
    assert (alive["alive"], alive["workers"]) == (True, "ok")
    assert client.get("/readyz").json() == {"ready": True, "database": "ok", "workers": "ok"}


def test_not_ready_once_the_database_is_gone(client, tmp_path):
    (tmp_path / "data/drishtiksha.sqlite").rename(tmp_path / "elsewhere.sqlite")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"ready": False, "database": "its file is gone", "workers": "ok"}
    assert client.get("/healthz").status_code == 200


def test_not_ready_when_the_database_cannot_be_read(app_of, tmp_path):
    app = app_of()
    with served(app) as client:
        app.state.services.workbench.stop()
        app.state.services.workbench.store.close()
        for path in (tmp_path / "data").glob("drishtiksha.sqlite*"):
            path.unlink()
        (tmp_path / "data/drishtiksha.sqlite").write_bytes(os.urandom(8192))
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["database"] == "cannot be written"
        message = refused(client.get("/api/cases"), 503, "database")
        assert "sqlite" not in message.lower()


def test_not_ready_without_workers(app_of):
    app = app_of()
    with served(app) as client:
        app.state.services.workbench.stop()
        response = client.get("/readyz")
        alive = client.get("/healthz").json()
    assert response.status_code == 503
    assert "worker" in response.json()["workers"]
    assert alive["workers"] == response.json()["workers"]


@pytest.mark.slow
def test_metrics_count_jobs_time_bytes_and_requests(client, picture):
    client.post("/api/analyze", files={"file": ("w.png", picture)}, data={"model": BRIGHT, "wait": "true"})
    client.get("/api/jobs/" + "0" * 32)
    client.get("/api/nowhere/at/all")
    found = samples(client)
    assert found["drishtiksha_jobs", "done"] == 1
    assert found["drishtiksha_jobs", "queued"] == 0
    assert found["drishtiksha_queue_length",] == 0
    assert found["drishtiksha_analysis_seconds_count", BRIGHT, "analyze"] == 1
    assert found["drishtiksha_upload_bytes_sum",] == len(picture)
    requests = {name[1:] for name in found if name[0] == "drishtiksha_http_requests_total"}
    expected = [("GET", "/api/jobs/{job_id}", "404"), ("GET", "none", "404")]
    assert {name for name in requests if "404" in name} == {tuple(sorted(labels)) for labels in expected}


def test_two_apps_in_one_process_count_for_themselves(app_of):
    one, other = app_of(), app_of()
    assert one.state.services.metrics.registry is not other.state.services.metrics.registry


def test_wrong_addresses_and_methods_are_answered_in_words(client):
    refused(client.get("/api/nowhere"), 404, "not_found")
    refused(client.get("/nowhere"), 404, "not_found")
    response = client.put("/api/analyze")
    refused(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"
    assert client.post("/healthz").headers["allow"] == "GET"


def test_a_page_is_mounted_beside_and_does_not_take_over_the_api(app_of):
    services = app_of().state.services

    def page(app: FastAPI) -> FastAPI:
        inner = FastAPI()
        inner.add_api_route("/{rest:path}", lambda: "page", methods=["GET", "POST", "PUT"])
        app.mount("/", inner)
        return app

    app = create_app(services.settings, services.manager, services.workbench, mount=page)
    with served(app) as client:
        assert client.get("/").json() == "page"
        assert client.get("/deep/down").json() == "page"
        assert client.get("/api/models").status_code == 200
        refused(client.get("/api/nowhere"), 404, "not_found")
        refused(client.put("/api/models"), 405, "method_not_allowed")
        assert "sandbox" in client.get("/api/models").headers["content-security-policy"]
        assert "sandbox" not in client.get("/").headers["content-security-policy"], "the page has a policy of its own"
        assert ("drishtiksha_http_requests_total", "/", "200", "GET") not in samples(client)


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(client):
    for path in ("/docs", "/redoc", "/api/docs"):
        assert client.get(path).status_code == 404
    assert client.get("/api/openapi.json").json()["info"]["title"] == "Drishtiksha"


def test_eager_models_are_loaded_before_the_first_answer(app_of):
    app = app_of(eager_models=True)
    with served(app) as client:
        cards = {card["name"]: card["state"] for card in client.get("/api/models").json()}
    assert cards[BRIGHT] == "loaded"
    assert cards[ABSENT] == "missing"


def test_a_model_that_cannot_be_loaded_stops_the_start(tmp_path, monkeypatch):
    (tmp_path / "broken.safetensors").write_bytes(b"this is no checkpoint")
    broken = entry("FaceBlendDetector", tmp_path / "broken.safetensors")
    manager = manager_of({"BROKEN-V1": broken}, tmp_path, monkeypatch, eager_models=True)
    app = create_app(manager.settings, manager)
    with pytest.raises(ModelRegistryError, match="BROKEN-V1 could not be loaded"), served(app):
        pass


def test_what_a_killed_process_left_in_the_uploads_is_removed(app_of, tmp_path, monkeypatch):
    monkeypatch.setattr(app_module, "ABANDONED_S", 60.0)
    app = app_of()
    folder = app.state.services.uploads_dir
    for name, age in (("old", 120), ("report", 120), ("new", 0)):
        if name == "report":
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(b"half")
        now = (folder / name).stat().st_mtime
        os.utime(folder / name, (now - age, now - age))
    with served(app):
        assert [path.name for path in folder.iterdir()] == ["new"]
