"""Cases over HTTP: listed, filtered, read, reported, deleted."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from server_kit import ABSENT, BRIGHT, SLOW, refused, served

from drishtiksha.casefile import CaseFile
from drishtiksha.forensics import Filter
from drishtiksha.forensics.filters import filtered
from drishtiksha.media.video import iter_frames
from drishtiksha.settings import ROOT, MediaLimits

NOBODYS = "0" * 32


@pytest.fixture
def case_id(client, picture) -> str:
    done = client.post("/api/analyze", files={"file": ("white.png", picture)}, data={"model": BRIGHT, "wait": "true"})
    return done.json()["case_id"]


@pytest.mark.slow
def test_a_case_tells_everything_and_a_list_tells_it_in_short(client, case_id):
    case = CaseFile.model_validate_json(client.get(f"/api/cases/{case_id}").content)
    assert [result.model_name for result in case.results] == [BRIGHT]
    assert case.provenance is not None
    assert case.provenance.credentials == "absent"
    [job] = client.get(f"/api/cases/{case_id}/jobs").json()
    assert (job["case_id"], job["state"]) == (case_id, "done")
    [short] = client.get("/api/cases").json()
    assert (short["case_id"], short["answers"][0]["prediction"]) == (case_id, "FAKE")
    assert short["human_verdict"] is None
    assert "heatmaps" not in str(short)


@pytest.mark.slow
def test_jobs_whose_results_have_heatmaps_are_listed(client, case_id):
    """A heatmap's bytes are no text: they go out as base64."""
    [view] = client.get(f"/api/cases/{case_id}/jobs").json()
    heatmaps = [heatmap for result in view["results"] for heatmap in result["heatmaps"]]
    assert heatmaps
    assert all(base64.b64decode(heatmap["data"], validate=True) for heatmap in heatmaps)


def test_an_unknown_route_names_where_the_routes_stand(client):
    assert "/api/openapi.json" in client.get("/api/nosuch").json()["message"]


@pytest.mark.slow
def test_nothing_tells_where_things_lie_here(client, case_id, tmp_path):
    for path in (f"/api/cases/{case_id}", "/api/cases", "/api/models"):
        told = client.get(path).text
        for place in (ROOT, tmp_path):
            assert str(place) not in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("prediction=FAKE", 1),
        ("prediction=REAL", 0),
        (f"model={BRIGHT}", 1),
        (f"model={SLOW}", 0),
        ("reviewed=true", 0),
        ("disagreement=false", 1),
        ("since=2020-01-01T00:00:00", 1),
        ("until=2020-01-01T00:00:00Z", 0),
        ("limit=1", 1),
    ],
)
def test_filters(client, case_id, query, count):
    assert len(client.get(f"/api/cases?{query}").json()) == count


@pytest.mark.slow
def test_a_filter_that_is_none_is_refused(client):
    refused(client.get("/api/cases?prediction=PERHAPS"), 422, "bad_request")
    refused(client.get("/api/cases?limit=0"), 422, "bad_request")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "start"), [("html", b"<!"), ("pdf", b"%PDF"), ("zip", b"PK"), ("json", b"{"), ("csv", b"")]
)
def test_reports(client, case_id, tmp_path, form, start):
    response = client.get(f"/api/cases/{case_id}/report.{form}")
    assert response.status_code == 200, response.text
    assert response.content.startswith(start)
    assert "attachment" in response.headers["content-disposition"]
    assert list((tmp_path / "data/uploads").iterdir()) == []


@pytest.mark.slow
def test_a_case_that_is_gone(client, case_id):
    assert client.delete(f"/api/cases/{case_id}").status_code == 204
    for path in (
        f"/api/cases/{case_id}",
        f"/api/cases/{case_id}/report.html",
        f"/api/cases/{case_id}/jobs",
        f"/api/cases/{NOBODYS}",
    ):
        refused(client.get(path), 404, "case_gone")
    refused(client.delete(f"/api/cases/{case_id}"), 404, "case_gone")
    refused(client.get(f"/api/cases/{case_id}/report.docx"), 422, "bad_request")


def test_models_say_what_they_are_and_what_is_missing(client):
    cards = {card["name"]: card for card in client.get("/api/models").json()}
    assert cards[BRIGHT]["state"] in ("ready", "loaded")
    assert cards[BRIGHT]["picture"]
    assert cards[ABSENT]["state"] == "missing"
    assert cards[ABSENT]["remedy"]


@pytest.mark.slow
def test_strangers_reach_a_case_by_its_id_and_see_no_list(app_of, picture):
    with served(app_of(public=True)) as client:
        sent = client.post("/api/analyze", files={"file": ("w.png", picture)}, data={"model": BRIGHT, "wait": "true"})
        assert client.get(f"/api/cases/{sent.json()['case_id']}").status_code == 200
        refused(client.get("/api/cases"), 401, "key_required")


@pytest.mark.slow
def test_a_frame_is_looked_at_through_a_filter_and_scenes_are_listed(client, video, tmp_path):
    case_id = client.post("/api/analyze", files={"file": ("v.mp4", video)}, data={"model": BRIGHT}).json()["case_id"]
    look = f"/api/cases/{case_id}/look"
    path = tmp_path / "v.mp4"
    path.write_bytes(video)
    with iter_frames(path, limits=MediaLimits()) as frames:
        decoded = {frame.index: frame.image for frame in frames}
    for through in ("frame", "noise"):
        answer = client.get(look, params={"at": 1.25, "filter": through})
        assert answer.headers["content-type"] == "image/png"
        seen = np.asarray(Image.open(io.BytesIO(answer.content)))
        assert np.array_equal(seen, filtered(decoded[12], Filter(through)))
    scenes = client.get(f"/api/cases/{case_id}/key-frames").json()
    assert scenes["frames"][0]["time_s"] == 0
    assert "path" not in str(scenes)
    for wrong in ({"filter": "magic"}, {"at": -1}, {"at": "nan"}):
        assert client.get(look, params=wrong).status_code == 422
    refused(client.get(f"/api/cases/{NOBODYS}/look"), 404, "case_gone")
