"""Opens the database: engine, pragmas, sessions, and the migration to the newest schema."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from filelock import FileLock
from sqlalchemy import URL, Connection, Double, Engine, cast, create_engine, event, func, literal, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from drishtiksha.errors import StoreError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_S = 30
"""How long a writer waits for another one."""

_LOCK_NUMBER = 0x6472697368
"""Names the PostgreSQL advisory locks of this project."""


class Store:
    """An open database of the newest schema. Safe to share between threads; sessions are not."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.writes = 0
        """Grows with each writing session of this process that has ended; what was read before may be out of date."""
        self._writer = engine.execution_options(write=True)

    @property
    def is_file(self) -> bool:
        """Whether the database is a file here, read within a millisecond, and no server across a network."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading: on one snapshot with SQLite, statement by statement with PostgreSQL."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed at the end of the block, and rolled back when the block raises."""
        try:
            with Session(self._writer, expire_on_commit=False) as session, session.begin():
                yield session
        finally:
            self.writes += 1

    def one_at_a_time(self, session: Session) -> None:
        """Until the end of this writing transaction no other one gets past the same call. SQLite has one writer anyway."""
        if self.engine.dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER + 1})

    def clock(self) -> Any:
        """Seconds since 1970 as an SQL expression: of a database server its own, since the clocks of its users may differ."""
        if self.engine.dialect.name == "postgresql":
            return cast(func.extract("epoch", func.clock_timestamp()), Double)
        return literal(time.time(), Double)

    def scrub(self) -> None:
        """After a deletion: no byte of it stays in SQLite's log (its pages are overwritten already)."""
        if self.is_file:
            with closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_store(url: str | None, data_dir: Path) -> Store:
    """The database at `url`, or SQLite in `data_dir`, brought to the newest schema; many processes may start at once.

    Raises: StoreError when it cannot be opened, or was made by a newer version.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(_unusable(f"data folder {data_dir} cannot be made", error)) from error
    place = _place(url, data_dir)
    shown = place.render_as_string(hide_password=True)
    try:
        engine = _engine(place)
        _upgrade(engine, data_dir)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"The database {shown} needs the Python package {error.name}. For PostgreSQL: pip install 'drishtiksha[postgres]'."
        ) from error
    except CommandError as error:
        raise StoreError(
            f"The database {shown} was made by a newer version of Drishtiksha. Update, or set another database_url."
        ) from error
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        if url is None or isinstance(error, OSError):
            raise StoreError(_unusable(f"database in {data_dir} cannot be opened", error)) from error
        raise StoreError(f"The database {shown} cannot be opened: {_reason(error)}. Check database_url.") from error
    return Store(engine)


def _unusable(what: str, error: Exception) -> str:
    return f"The {what}: {_reason(error)}. Set DRISHTIKSHA_DATA_DIR to a folder that this program may write to, on a disk with room."


def _reason(error: Exception) -> str:
    """What the database or the system says, in a line."""
    said = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
    return str(said).strip().splitlines()[0]


def _place(url: str | None, data_dir: Path) -> URL:
    if url is None:
        return URL.create("sqlite", database=str(data_dir / "drishtiksha.sqlite"))
    try:
        place = make_url(url)
    except ArgumentError as error:
        raise StoreError("database_url is not a database address, such as postgresql://user@host/name.") from error
    return place.set(drivername="postgresql+psycopg") if place.drivername == "postgresql" else place


def _engine(place: URL) -> Engine:
    if place.get_backend_name() != "sqlite":
        return create_engine(place, pool_pre_ping=True)
    engine = create_engine(place, connect_args={"timeout": BUSY_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, where it is known whether they write
    for pragma in (
        f"busy_timeout={BUSY_S * 1000}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A transaction that reads first and writes later would fail at once when another one wrote in between."""
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _upgrade(engine: Engine, data_dir: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        if MigrationContext.configure(connection).get_current_revision() == head:
            return
    others = _advisory_lock(engine) if engine.dialect.name == "postgresql" else FileLock(data_dir / "migration.lock")
    with others, engine.execution_options(write=True).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


@contextmanager
def _advisory_lock(engine: Engine) -> Iterator[None]:
    """Held by a connection of its own, since the migration commits."""
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _LOCK_NUMBER})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": _LOCK_NUMBER})
