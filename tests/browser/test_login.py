"""The page behind a login, in a real browser: each sees their own cases, on the page and with their key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from running_app import TIMEOUT_MS, serving
from test_app import answered, asset, drop

from drishtiksha.server.middleware import LOGINS_PER_MINUTE
from drishtiksha.store.accounts import Accounts
from drishtiksha.store.db import open_store

PASSWORD = "correct horse battery"
LOGIN = {"DRISHTIKSHA_LOGIN": "true"}


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, keys) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    store = open_store(None, folder / "data")
    accounts = Accounts(store)
    for name in ("ana", "ben", "rev"):
        accounts.add_user(name, PASSWORD, reviewer=name == "rev")
        keys[name] = accounts.add_key(name, reviewer=name == "rev")
    store.close()
    with serving(folder, ("-m", "drishtiksha", "serve", "--port", "PORT"), LOGIN) as app:
        yield app.url


@pytest.fixture
def log_in(browser, url):
    """Opens an address as somebody who first has to say who they are."""
    contexts = []

    def open_(name: str, address: str, password: str = PASSWORD):
        contexts.append(browser.new_context(viewport={"width": 1360, "height": 900}))
        page = contexts[-1].new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(address)
        page.get_by_label("username").fill(name)
        page.get_by_label("password").fill(password)
        page.get_by_role("button", name="Login").click()
        return page

    yield open_
    for context in contexts:
        context.close()


def test_each_sees_their_own_cases_and_a_reviewer_all(log_in, url, keys) -> None:
    ana = log_in("ana", url)
    drop(ana, asset("portrait.jpg"))
    verdict = answered(ana)
    link = ana.url
    assert "job=" in link

    reviewer = log_in("rev", link)
    assert answered(reviewer) == verdict

    ben = log_in("ben", link)
    ben.wait_for_selector("#dk-notice [role=alert]:has-text('no longer here')")
    ben.wait_for_selector("#dk-answer", state="hidden")
    assert Path(asset("portrait.jpg")).name not in ben.inner_text("body")

    for name, count in {"ana": 1, "ben": 0, "rev": 1}.items():
        cases = httpx.get(f"{url}/api/cases", headers={"X-API-Key": keys[name]}).json()
        assert len(cases) == count
    assert httpx.get(f"{url}/api/cases").status_code == 401


def test_a_wrong_password_opens_nothing(log_in, url) -> None:
    page = log_in("ana", url, "wrong")
    page.get_by_text("Incorrect Credentials").wait_for()
    assert page.query_selector("#dk-drop") is None
    assert httpx.get(f"{url}/config").status_code == 401


def test_the_page_without_the_server_asks_too_and_bounds_guessing(tmp_path) -> None:
    Accounts(open_store(None, tmp_path / "data")).add_user("ana", PASSWORD)
    with serving(tmp_path, settings=LOGIN) as app, httpx.Client(base_url=app.url) as client:
        assert client.get("/config").status_code == 401
        wrong = {"username": "ana", "password": "not the password"}
        assert client.post("/login", data=wrong).status_code == 400
        assert client.post("/login", data=wrong | {"password": PASSWORD}).status_code == 200
        assert client.get("/config").status_code == 200
        answers = [client.post("/login", data=wrong).status_code for _ in range(LOGINS_PER_MINUTE)]
        assert answers[0] == 400
        assert answers[-1] == 429
