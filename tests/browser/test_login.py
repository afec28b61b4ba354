"""`drishtiksha serve` with a login, in a real browser: each sees their own cases, on the page and with their key."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from running_app import ROOT, TIMEOUT_MS, wait_until_up
from test_app import analyze, asset, upload

from drishtiksha.store.accounts import Accounts
from drishtiksha.store.db import open_store

PASSWORD = "correct horse battery"


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
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    environment = os.environ | {
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        "DRISHTIKSHA_DATA_DIR": str(folder / "data"),
        "DRISHTIKSHA_LOGIN": "true",
    }
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "drishtiksha", "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_until_up(f"http://127.0.0.1:{port}/healthz", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


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
    ana.wait_for_selector("#dk-analyze")
    upload(ana, asset("portrait.jpg"))
    verdict = analyze(ana)
    link = ana.url
    assert "job=" in link

    reviewer = log_in("rev", link)
    reviewer.wait_for_selector("#dk-verdict h2")
    assert reviewer.inner_text("#dk-verdict h2") in verdict

    ben = log_in("ben", link)
    ben.wait_for_selector("#dk-analyze")
    ben.wait_for_function("document.body.innerText.includes('no longer here')")
    assert ben.inner_text("#dk-verdict h2") not in verdict
    assert Path(asset("portrait.jpg")).name not in ben.inner_text("body")

    for name, count in {"ana": 1, "ben": 0, "rev": 1}.items():
        cases = httpx.get(f"{url}/api/cases", headers={"X-API-Key": keys[name]}).json()
        assert len(cases) == count
    assert httpx.get(f"{url}/api/cases").status_code == 401


def test_a_wrong_password_opens_nothing(log_in, url) -> None:
    page = log_in("ana", url, "wrong")
    page.get_by_text("Incorrect Credentials").wait_for()
    assert page.query_selector("#dk-analyze") is None
    assert httpx.get(f"{url}/config").status_code == 401
