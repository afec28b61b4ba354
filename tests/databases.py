"""The databases that the store's tests run on: SQLite always, PostgreSQL where its server programs are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

NAMED = "DRISHTIKSHA_TEST_POSTGRES"
"""The environment may name a server (postgresql://...) instead; databases are made and dropped there."""


@contextmanager
def postgresql_server() -> Iterator[str]:
    """The address of a server, with a path to add: one that the environment names, else one of our own in a folder."""
    if named := os.environ.get(NAMED):
        yield named.rstrip("/")
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip(f"PostgreSQL is not installed (make postgresql installs Debian's) and {NAMED} names no server")
    with tempfile.TemporaryDirectory() as folder:
        data, tools = Path(folder) / "data", programs[-1].parent
        as_user = _unprivileged(Path(folder))
        _run([*as_user, tools / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"])
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        _run([*as_user, tools / "pg_ctl", "-D", data, "-w", "-l", data / "log", "-o", options, "start"])
        try:
            yield f"postgresql://postgres@/{{database}}?host={folder}"
        finally:
            _run([*as_user, tools / "pg_ctl", "-D", data, "-m", "immediate", "stop"])


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The address of an empty database on a server of `postgresql_server`."""
    name = f"test_{uuid.uuid4().hex}"
    plain = _address(server, "postgres")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield _address(server, name)
    finally:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def asked_database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """For a fixture `database_url` of any scope, by its parameter "sqlite" or "postgresql"; None is SQLite in the data folder."""
    if request.param == "sqlite":
        yield None
        return
    with new_database(request.getfixturevalue("postgresql")) as url:
        yield url


def _address(server: str, database: str) -> str:
    return server.format(database=database) if "{database}" in server else f"{server}/{database}"


def _unprivileged(folder: Path) -> list[str]:
    """How to run as another user, since PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    folder.chmod(0o755)
    return ["runuser", "-u", "postgres", "--"]


def _run(command: list[object]) -> None:
    done = subprocess.run([*map(str, command)], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[-1]}: {done.stdout}{done.stderr}"
