"""The Models tab: what each card says, and loading, unloading and downloading by its buttons."""

from __future__ import annotations

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gradio as gr
import pytest
from desk_names import ABSENT, BRIGHT
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights

from drishtiksha.errors import DownloadError
from drishtiksha.render import words
from drishtiksha.ui.models import shelf
from drishtiksha.ui.models.tab import act_on
from drishtiksha.ui.shared.desk import Desk

FETCHED = "FETCHED"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def desk_online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk_on):
    """A desk with a model whose checkpoint a local server offers."""
    served = tmp_path / "served"
    served.mkdir()
    plain_weights(served / "w.pt")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = {"url": f"http://127.0.0.1:{server.server_port}/w.pt", "licence": "CC0-1.0 <for tests>"}
    models = {
        FETCHED: entry(model_path=tmp_path / "fetched.pt", weights=source, retired=True, trained_on="nothing"),
        "PAIR": entry(
            model_path=tmp_path / "pair.pt",
            weights=source,
            companions={"averages": {"path": str(tmp_path / "averages.pt"), "weights": {**source, "licence": "MIT"}}},
        ),
        "GONE": entry(model_path=tmp_path / "gone.pt", weights={**source, "url": source["url"] + "x"}),
    }
    with (
        dropped_in(tmp_path / "more", brightness=BRIGHTNESS),
        desk_on(manager_of(models, tmp_path, monkeypatch)) as desk,
    ):
        yield desk
    server.shutdown()


def last(desk: Desk, name: str | None, action: str | None) -> tuple[str, str]:
    return list(act_on(desk, name, action))[-1]


def test_a_card_says_state_source_and_what_is_missing(desk):
    text = shelf.cards(desk)
    assert "1 of 2 models can be used now" in text
    assert "Weights missing" in text
    assert shelf.NOT_MEASURED in text
    assert "known once it is loaded" in text
    assert 'data-action="load"' in text
    assert 'data-action="unload"' not in text


@pytest.mark.slow
def test_loading_and_unloading(desk):
    told, models = last(desk, BRIGHT, "load")
    assert "loaded" in told
    assert desk.manager.is_model_loaded(BRIGHT)
    assert "Loaded in" in models
    assert "cpu, float32" in models
    told, models = last(desk, BRIGHT, "unload")
    assert not desk.manager.is_model_loaded(BRIGHT)
    assert "Loaded in" not in models


@pytest.mark.slow
def test_no_other_button_can_be_pressed_meanwhile_and_progress_leaves_the_list_alone(desk_online):
    before, *meanwhile, (_, after) = list(act_on(desk_online, FETCHED, "pull"))
    buttons = shelf.cards(desk_online).count("data-action=")
    assert before[1].count('aria-disabled="true"') == buttons > 1
    assert {str(models) for _, models in meanwhile} <= {str(gr.skip())}
    assert "aria-disabled" not in after
    *_, (_, failed) = act_on(desk_online, "GONE", "pull")
    assert "aria-disabled" not in failed


def test_a_model_without_weights_says_why_it_does_not_load(desk):
    told, _ = last(desk, ABSENT, "load")
    assert "not on this machine" in told


@pytest.mark.slow
def test_nobody_is_told_a_command_that_a_button_or_somebody_else_has_to_run(desk_online, monkeypatch):
    own = {status.name: status.remedy for status in desk_online.models()}
    assert own[FETCHED] == "Download it on the tab Models."
    assert "To get it" not in shelf.cards(desk_online), "its button stands below"
    monkeypatch.setattr(desk_online, "settings", desk_online.settings.model_copy(update={"manage_models": False}))
    assert {status.remedy for status in desk_online.models()} == {
        "It is not installed: whoever runs this server can add it."
    }
    closed = shelf.cards(desk_online)
    assert "Whoever runs this server adds the others." in closed
    assert ("drishtiksha weights" in closed, "data-action" in closed) == (False, False)


@pytest.mark.slow
def test_a_download_shows_the_licence_first(desk_online):
    path = desk_online.manager.get_active_model_configs()[FETCHED].model_path
    _, models = last(desk_online, FETCHED, "ask")
    assert "CC0-1.0 &lt;for tests&gt;" in models
    assert "Retired" in models
    assert not path.exists()
    told, models = last(desk_online, FETCHED, "pull")
    assert "downloaded" in told
    assert path.is_file()
    assert "Loads on first use" in models
    assert desk_online.manager.load_model(FETCHED).parameters == 2


@pytest.mark.slow
def test_the_licence_and_size_of_every_file_are_told(desk_online, tmp_path):
    _, models = last(desk_online, "PAIR", "ask")
    assert "The licence of this checkpoint: CC0-1.0 &lt;for tests&gt;" in models
    assert "The licence of averages: MIT" in models
    size = (tmp_path / "served" / "w.pt").stat().st_size
    assert models.count(f"/w.pt and has {words.size(size)}") == 2
    _, models = last(desk_online, "PAIR", "pull")
    config = desk_online.manager.get_active_model_configs()["PAIR"]
    sizes = [path.stat().st_size / 1e6 for path in (config.model_path, config.companions["averages"].path)]
    assert f"{sizes[0]:.1f} MB; averages {sizes[1]:.1f} MB" in models


@pytest.fixture
def recommending(tmp_path, monkeypatch, desk_on, desk_online):
    """The same desk, whose configuration recommends FETCHED, which is open, and GONE, which its server has no more."""
    given = {
        name: config.model_copy(update={"recommended": name != "PAIR"})
        for name, config in desk_online.manager.get_active_model_configs().items()
    }
    monkeypatch.setattr(desk_online.manager, "model_configs", given)
    return desk_online


@pytest.mark.slow
def test_one_button_asks_for_all_recommended_models_and_then_fetches_them(recommending):
    path = recommending.manager.get_active_model_configs()[FETCHED].model_path
    assert f"Recommended and not here yet: {FETCHED}, GONE." in shelf.cards(recommending)
    told, models = last(recommending, shelf.TOGETHER, "ask")
    assert "Read the licences" in told
    assert models.count("CC0-1.0 &lt;for tests&gt;") >= 2
    assert not path.exists()
    told, models = last(recommending, shelf.TOGETHER, "pull")
    assert path.is_file()
    assert "GONE" in told, "one that fails is told, and stops no other"
    assert "404" in told
    assert "Recommended and not here yet: GONE." in models


@pytest.mark.slow
def test_strangers_cannot_ask_for_the_recommended_models(recommending):
    recommending.settings = recommending.settings.model_copy(update={"manage_models": False})
    assert "Recommended and not here yet" not in shelf.cards(recommending)
    last(recommending, shelf.TOGETHER, "pull")
    assert not recommending.manager.get_active_model_configs()[FETCHED].model_path.exists()


@pytest.mark.slow
def test_a_failed_download_is_told(desk_online):
    told, _ = last(desk_online, "GONE", "pull")
    assert "404" in told


@pytest.mark.slow
def test_what_nobody_foresaw_is_told_and_not_called_loaded(desk, monkeypatch):
    def fail(name: str) -> None:
        raise ValueError("it's <odd>")

    monkeypatch.setattr(desk.manager, "load_model", fail)
    told, _ = last(desk, BRIGHT, "load")
    assert "Something failed that should not have" in told
    assert re.search(r"\([0-9a-f]{8}\)", told), "the reference into the log"
    assert "loaded." not in told


@pytest.mark.slow
def test_what_is_told_is_escaped_once(desk_online, monkeypatch):
    def fail(name: str, progress: object) -> None:
        raise DownloadError("it's <odd>")

    monkeypatch.setattr(desk_online.manager, "pull", fail)
    told, _ = last(desk_online, FETCHED, "pull")
    assert "it&#39;s &lt;odd&gt;" in told


@pytest.mark.slow
@pytest.mark.parametrize(("name", "action"), [(BRIGHT, "delete"), ("stranger", "load"), (None, None)])
def test_nothing_else_can_be_asked_for(desk, name, action):
    last(desk, name, action)
    assert not desk.manager.get_loaded_model_names()


def test_a_public_page_has_no_buttons(desk):
    desk.settings = desk.settings.model_copy(update={"manage_models": False})
    assert "data-action" not in shelf.cards(desk)
    last(desk, BRIGHT, "load")
    assert not desk.manager.is_model_loaded(BRIGHT)
