"""Opening a database: from empty, again, by many at once, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from drishtiksha.errors import StoreError
from drishtiksha.settings import ROOT
from drishtiksha.store import db
from drishtiksha.store.db import open_store
from drishtiksha.store.tables import Base

CASE = (
    "INSERT INTO cases (id, owner, question, opened, file_name, media) "
    "VALUES ('c', '', 'asked in confidence', 0, 'original.mp4', '{}')"
)
REVIEW = (
    "INSERT INTO reviews (case_id, reviewer, verdict, confidence, notes, tags, made) "
    "VALUES ('c', 'ada', 'genuine', 'low', '[]', '[]', 0)"
)


@pytest.mark.slow
def test_an_empty_database_gets_the_schema_of_the_tables(store):
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == "0006"
        assert set(inspect(connection).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
        assert compare_metadata(context, Base.metadata) == []


def test_opening_it_again_changes_nothing(store, reopened):
    with store.write() as session:
        session.execute(text(CASE))
    with reopened().read() as session:
        assert session.scalar(text("SELECT question FROM cases")) == "asked in confidence"


@pytest.mark.slow
def test_many_may_open_an_empty_database_at_once(database_url, tmp_path):
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: open_store(database_url, tmp_path / "data"), range(6)))
    for store in stores:
        with store.read() as session:
            assert session.scalar(text("SELECT count(*) FROM alembic_version")) == 1
        store.close()


@pytest.mark.slow
def test_many_processes_may_too(database_url, tmp_path):
    code = (
        "import sys; from pathlib import Path; from drishtiksha.store.db import open_store; "
        "open_store(sys.argv[1] or None, Path(sys.argv[2])).close()"
    )
    command = [sys.executable, "-c", code, database_url or "", str(tmp_path / "data")]
    started = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(process.communicate()[1], process.returncode) for process in started] == [("", 0)] * 3


def test_a_block_that_raises_leaves_nothing(store):
    def half() -> None:
        with store.write() as session:
            session.execute(text(CASE))
            session.execute(text("nonsense"))

    with pytest.raises(DatabaseError):
        half()
    with store.read() as session:
        assert session.scalar(text("SELECT count(*) FROM cases")) == 0


@pytest.mark.slow
def test_rows_of_no_case_are_refused_and_go_with_it(store):
    with pytest.raises(IntegrityError), store.write() as session:
        session.execute(text(REVIEW))
    with store.write() as session:
        session.execute(text(CASE))
        session.execute(text(REVIEW))
    with store.write() as session:
        session.execute(text("DELETE FROM cases"))
    with store.read() as session:
        assert session.scalar(text("SELECT count(*) FROM reviews")) == 0


@pytest.mark.slow
def test_the_database_itself_refuses_to_change_a_review(store):
    with store.write() as session:
        session.execute(text(CASE))
        session.execute(text(REVIEW))
    with pytest.raises(DatabaseError, match="only ever added"), store.write() as session:
        session.execute(text("UPDATE reviews SET verdict = 'manipulated'"))


def test_sqlite_keeps_no_deleted_byte(tmp_path):
    store = open_store(None, tmp_path)
    with store.write() as session:
        session.execute(text(CASE))
    held = [path.read_bytes() for path in tmp_path.iterdir()]
    assert any(b"asked in confidence" in content for content in held)
    with store.write() as session:
        session.execute(text("DELETE FROM cases"))
    store.scrub()
    for path in tmp_path.iterdir():
        assert b"asked in confidence" not in path.read_bytes(), path
    store.close()


def test_sqlite_writes_ahead_and_only_its_user_may_look_in(tmp_path):
    store = open_store(None, tmp_path / "data")
    with store.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    store.close()


@pytest.mark.slow
def test_a_database_of_a_newer_version_is_refused(store, reopened):
    with store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer version"):
        reopened()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no address", "not a database address"),
        ("postgresql://ada:secret@127.0.0.1:9/none", "cannot be opened"),
        ("oracle+oracledb://ada:secret@host/none", "needs the Python package"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_without_its_password(tmp_path, url, words):
    with pytest.raises(StoreError, match=words) as caught:
        open_store(url, tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("pragma", "reason"),
    [("query_only=ON", "attempt to write a readonly database"), ("max_page_count=1", "database or disk is full")],
    ids=["read-only", "full"],
)
def test_a_data_folder_that_takes_no_writing_names_the_setting_to_change(tmp_path, monkeypatch, pragma, reason):
    """Root may write anywhere, so SQLite itself is told to raise what it raises there."""
    prepare = db._prepare_sqlite

    def prepare_and_refuse(connection, record):
        prepare(connection, record)
        connection.execute(f"PRAGMA {pragma}")

    monkeypatch.setattr(db, "_prepare_sqlite", prepare_and_refuse)
    with pytest.raises(StoreError, match=reason) as caught:
        open_store(None, tmp_path / "data")
    assert "DRISHTIKSHA_DATA_DIR" in str(caught.value)
    assert "database_url" not in str(caught.value)


def test_a_data_folder_that_cannot_be_made_names_the_setting_to_change(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Not a directory") as caught:
        open_store(None, tmp_path / "file" / "data")
    assert "DRISHTIKSHA_DATA_DIR" in str(caught.value)


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "drishtiksha.sqlite").write_text("this is a text\n" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        open_store(None, tmp_path)
