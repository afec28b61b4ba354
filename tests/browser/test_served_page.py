"""The page of `drishtiksha serve` behind a login: everybody sees their own cases, a reviewer all."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from running_app import TIMEOUT_MS, App, serving
from test_app import asset, upload
from test_jobs import finished, start

from drishtiksha.store.accounts import Accounts
from drishtiksha.store.db import open_store

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("served")
    accounts = Accounts(open_store(None, folder / "data"))
    accounts.add_user("ada", PASSWORD)
    accounts.add_user("bob", PASSWORD)
    accounts.add_user("rita", PASSWORD, reviewer=True)
    command = ("-m", "drishtiksha", "serve", "--port", "PORT")
    with serving(folder, command, {"DRISHTIKSHA_LOGIN": "true"}) as app:
        yield app


@pytest.fixture
def log_in(browser, served: App):
    """Opens an address as somebody, in a browser context of their own."""
    contexts = []

    def as_(name: str, url: str):
        contexts.append(browser.new_context(viewport={"width": 1360, "height": 900}))
        page = contexts[-1].new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(served.url)
        page.get_by_label("username").fill(name)
        page.get_by_label("password").fill(PASSWORD)
        page.get_by_role("button", name="Login").click()
        page.wait_for_selector("#dk-analyze")
        if url != served.url:
            page.goto(url)
            page.wait_for_selector("#dk-analyze")
        return page

    yield as_
    for context in contexts:
        context.close()


def test_a_link_opens_for_its_owner_and_a_reviewer_alone(log_in, served: App) -> None:
    ada = log_in("ada", served.url)
    upload(ada, asset("portrait.jpg"))
    link = start(ada)
    text = finished(ada)
    bob = log_in("bob", link)
    bob.wait_for_selector("#dk-verdict [role=alert]")
    assert "no longer here" in bob.inner_text("#dk-verdict")
    assert "portrait.jpg" not in bob.inner_text("body")
    assert finished(log_in("rita", link)) == text


def test_the_page_by_itself_asks_for_a_login_too(tmp_path) -> None:
    Accounts(open_store(None, tmp_path / "data")).add_user("ada", PASSWORD)
    with serving(tmp_path, settings={"DRISHTIKSHA_LOGIN": "true"}) as app, httpx.Client(base_url=app.url) as client:
        assert client.get("/config").status_code == 401
        wrong = client.post("/login", data={"username": "ada", "password": "not the password"})
        assert wrong.status_code == 400
        assert client.post("/login", data={"username": "ada", "password": PASSWORD}).status_code == 200
        assert client.get("/config").status_code == 200
