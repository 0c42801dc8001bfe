"""Opens a results database: a URL becomes an SQLAlchemy engine, with tables of the newest revision.

An SQLite file is first checked read-only, so that a damaged file, or one of another program, is not changed.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from results.database.errors import DatabaseError, as_database_error
from results.database.migration import is_outdated, migrate
from results.database.url import parse_url

_BACKENDS = ("sqlite", "postgresql")
_BUSY_SECONDS = 60.0  # how long SQLite waits while another process writes
_MIGRATION_LOCK = 0x6E6173  # any fixed number: the PostgreSQL advisory lock under which tables are made


def open_engine(url: str) -> sa.Engine:
    """Opens a results database; creates folder, file and tables if they are missing.

    Tables of an older revision are migrated to the newest one.

    Args:
        url: An SQLAlchemy URL, such as `sqlite:///runs/results.db` or `postgresql://user@host/name`.

    Raises:
        DatabaseError: If it cannot be reached, read or written, is damaged, or is of another program or of a version of
            this one that cannot be migrated.
    """
    engine = _create_engine(url)
    try:
        with as_database_error(engine):
            if engine.dialect.name == "sqlite":
                _inspect_file(engine.url)
            with engine.connect() as connection:
                if is_outdated(connection):
                    connection.rollback()
                    _migrate_alone(connection)
    except DatabaseError:
        engine.dispose()
        raise
    return engine


def _create_engine(url: str) -> sa.Engine:
    try:
        parsed = parse_url(url)
    except ValueError as error:
        raise DatabaseError(str(error)) from None
    backend = parsed.get_backend_name()
    try:
        if backend not in _BACKENDS:
            raise DatabaseError(f"a results database is one of {', '.join(_BACKENDS)}; got {backend!r}")
        if backend != "sqlite":
            driver = "postgresql+psycopg" if parsed.drivername == "postgresql" else parsed.drivername
            return sa.create_engine(parsed.set(drivername=driver), pool_pre_ping=True)
        engine = sa.create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
    except sa.exc.NoSuchModuleError as error:
        raise DatabaseError(f"unknown database driver {parsed.drivername!r}; name it {backend}://...") from error
    except ModuleNotFoundError as error:
        raise DatabaseError(
            f"{backend} needs the package {error.name!r}; do: pip install -c constraints.txt -e '.[{backend}]'"
        ) from error

    @sa.event.listens_for(engine, "connect")
    def check_references(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.cursor().execute("PRAGMA foreign_keys=ON")

    return engine


def _inspect_file(url: sa.URL) -> None:
    """Creates the folder of a new SQLite file; checks an existing file read-only for damage."""
    if url.database in (None, "", ":memory:"):
        return
    path = Path(str(url.database))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder")
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as connection:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"the file is malformed ({verdict})")


def _migrate_alone(connection: sa.Connection) -> None:
    """Creates or migrates the tables under a lock, as several processes may open the same database at once."""
    on_file = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("BEGIN IMMEDIATE" if on_file else f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    if is_outdated(connection):  # again, as another process may have migrated before this one got the lock
        migrate(connection)
    connection.commit()
    if on_file:  # readers then never wait for the writer; the mode is kept in the file
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
