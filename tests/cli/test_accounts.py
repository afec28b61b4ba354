"""`drishtiksha keys` and `drishtiksha users`, as a script calls them."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from drishtiksha.cli import Exit, app
from drishtiksha.store.accounts import Accounts
from drishtiksha.store.db import open_store


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("DRISHTIKSHA_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def accounts(data_dir):
    store = open_store(None, data_dir)
    yield Accounts(store)
    store.close()


def run(*arguments: str, typed: str = ""):
    return CliRunner().invoke(app, arguments, input=typed, env={"COLUMNS": "160"})


@pytest.mark.slow
def test_a_key_is_printed_once_listed_without_it_and_revoked(accounts):
    added = run("keys", "add", "newsroom", "--reviewer")
    assert added.exit_code == Exit.DONE, added.output
    key = added.stdout.strip()
    assert accounts.key_holder(key).reviewer
    listed = run("keys", "list").stdout
    assert "newsroom" in listed
    assert key not in listed
    assert run("keys", "revoke", "newsroom").exit_code == Exit.DONE
    assert accounts.key_holder(key) is None
    again = run("keys", "revoke", "newsroom")
    assert again.exit_code == Exit.FAILED
    assert "No valid key" in again.stderr


@pytest.mark.slow
def test_a_user_is_added_with_a_password_from_standard_input(accounts):
    added = run("users", "add", "ana", typed="correct horse battery\n")
    assert added.exit_code == Exit.DONE, added.output
    assert accounts.authenticate("ana", "correct horse battery")
    assert "ana" in run("users", "list").stdout
    assert run("users", "remove", "ana").exit_code == Exit.DONE
    assert not accounts.authenticate("ana", "correct horse battery")


@pytest.mark.slow
def test_a_short_password_and_a_misleading_name_are_refused():
    assert "12 to" in run("users", "add", "ana", typed="short\n").stderr
    assert "A name has" in run("keys", "add", "a b").stderr
