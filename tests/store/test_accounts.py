"""Keys and users: what is kept of them proves them and gives nothing away."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import text

from drishtiksha.casefile import Role, Viewer
from drishtiksha.errors import AccountError
from drishtiksha.store.accounts import Accounts, hash_password, verify_password
from drishtiksha.store.db import Store

PASSWORD = "correct horse battery"


@pytest.fixture
def accounts(store: Store) -> Accounts:
    return Accounts(store)


def everything(accounts: Accounts) -> str:
    with accounts.store.read() as session:
        return str([session.execute(text(f"SELECT * FROM {table}")).all() for table in ("api_keys", "users")])


@pytest.mark.slow
def test_a_key_tells_whose_it_is_and_is_not_kept(accounts):
    key = accounts.add_key("newsroom", reviewer=True)
    holder = accounts.key_holder(key)
    assert (holder.name, holder.reviewer, holder.revoked_utc) == ("newsroom", True, None)
    assert key.rpartition("_")[2] not in everything(accounts)
    assert len({accounts.add_key("newsroom") for _ in range(5)}) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [lambda k: k[:-1], lambda k: k + "x", lambda k: k[:-1] + ("a" if k[-1] != "a" else "b")]
)
def test_a_changed_key_is_nobodys(accounts, change):
    key = accounts.add_key("a")
    assert accounts.key_holder(change(key)) is None


@pytest.mark.slow
@pytest.mark.parametrize("key", ["", "dk_", "dk_0123456789abcdef_" + "A" * 43, "ü" * 64, "\0", "\ud800"])
def test_garbage_is_nobodys_key(accounts, key):
    assert accounts.key_holder(key) is None


def test_a_key_is_revoked_by_id_and_all_of_a_name_by_name(accounts):
    keys = [accounts.add_key("a"), accounts.add_key("a"), accounts.add_key("a"), accounts.add_key("b")]
    assert accounts.revoke_key(accounts.key_holder(keys[0]).key_id) == 1
    assert accounts.key_holder(keys[0]) is None
    assert accounts.key_holder(keys[1]) is not None
    assert accounts.revoke_key("a") == 2
    assert [accounts.key_holder(key) is None for key in keys] == [True, True, True, False]
    assert [info.revoked_utc is None for info in accounts.list_keys()] == [False, False, False, True]
    with pytest.raises(AccountError, match="No valid key"):
        accounts.revoke_key("a")


@pytest.mark.slow
def test_a_user_logs_in_with_the_right_password_only(accounts):
    accounts.add_user("ana", PASSWORD)
    assert accounts.authenticate("ana", PASSWORD)
    assert not accounts.authenticate("ana", PASSWORD + " ")
    assert not accounts.authenticate("Ana", PASSWORD)
    assert not accounts.authenticate("nobody", PASSWORD)
    assert not accounts.authenticate("\0", "\ud800")
    assert PASSWORD not in everything(accounts)


@pytest.mark.slow
def test_an_unknown_name_costs_as_much_as_a_wrong_password(accounts, monkeypatch):
    """By time nobody learns which names there are: the same work is done for each."""
    accounts.add_user("ana", PASSWORD)
    derived, work = [], hashlib.scrypt

    def scrypt(password, *, salt, n, r, p, **more):
        derived.append((n, r, p, len(salt)))
        return work(password, salt=salt, n=n, r=r, p=p, **more)

    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    accounts = Accounts(accounts.store)
    assert not derived, "what an unknown name is held against was made before, once a process"
    for name in ("ana", "nobody", "no/name", ""):
        assert not accounts.authenticate(name, "wrong")
    assert len(derived) == 4
    assert len(set(derived)) == 1


@pytest.mark.slow
def test_adding_a_user_again_changes_password_and_role(accounts):
    accounts.add_user("ana", PASSWORD)
    assert accounts.viewer("ana") == Viewer(name="ana")
    accounts.add_user("ana", PASSWORD + "2", reviewer=True)
    assert not accounts.authenticate("ana", PASSWORD)
    assert accounts.authenticate("ana", PASSWORD + "2")
    assert accounts.viewer("ana") == Viewer(name="ana", role=Role.REVIEWER)
    assert [user.name for user in accounts.list_users()] == ["ana"]


@pytest.mark.slow
def test_a_removed_user_is_no_reviewer_any_more(accounts):
    accounts.add_user("ana", PASSWORD, reviewer=True)
    accounts.remove_user("ana")
    assert not accounts.authenticate("ana", PASSWORD)
    assert accounts.viewer("ana") == Viewer(name="ana")
    with pytest.raises(AccountError, match="No user"):
        accounts.remove_user("ana")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", " ana", "a" * 65, "a/b", "<b>", "-x", "ana\n", "аna"])
def test_names_that_mislead_are_refused(accounts, name):
    with pytest.raises(AccountError, match="A name has"):
        accounts.add_key(name)
    with pytest.raises(AccountError, match="A name has"):
        accounts.add_user(name, PASSWORD)


def test_short_passwords_are_refused(accounts):
    with pytest.raises(AccountError, match="12 to"):
        accounts.add_user("ana", "short")


def test_two_hashes_of_one_password_differ():
    one, other = hash_password(PASSWORD), hash_password(PASSWORD)
    assert one != other
    assert verify_password(PASSWORD, one)
    assert verify_password(PASSWORD, other)
