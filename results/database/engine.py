"""Opens a results database: a URL becomes an SQLAlchemy engine, to write or only to read.

An SQLite file is first checked read-only, so that a damaged file, or one of another program, is not changed.
"""

from __future__ import annotations

import sqlite3
import time
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from results.database.errors import DatabaseError, as_database_error
from results.database.location import find_file, read_url
from results.database.migration import has_tables, is_outdated, migrate
from results.database.row_checks import parse_json
from results.database.sqlite_file import (
    BUSY_SECONDS,
    can_be_read_in_place,
    check_file,
    connect_to_read,
    copy_whole,
    describe_lack,
    find_damage,
    settle,
)
from results.database.url import show_url

_MIGRATION_LOCK = 0x6E6173  # any fixed number: the PostgreSQL advisory lock under which tables are made
_RETRY_SECONDS = 0.05  # time between two attempts to set the mode of a file


def open_engine(url: str | sa.URL) -> sa.Engine:
    """Opens a results database to write; creates folder, file and tables if they are missing.

    Tables of an older revision are migrated to the newest one.

    Args:
        url: A URL such as `sqlite:///runs/results.db` or `postgresql://user@host/name`.

    Raises:
        DatabaseError: If it cannot be reached, read or written, is damaged, or is of another program or of a version of
            this one that cannot be migrated.
    """
    parsed = read_url(url) if isinstance(url, str) else url
    path = find_file(parsed)
    engine = _create_engine(parsed)
    try:
        with as_database_error(engine):
            if path is not None:
                _inspect_file(path, before_writing=True)
            with engine.connect() as connection:
                if is_outdated(connection):
                    connection.rollback()
                    _migrate_alone(connection)
                if path is not None:
                    connection.rollback()
                    _let_readers_pass(connection)
    except DatabaseError:
        engine.dispose()
        raise
    return engine


def open_to_read(url: str | sa.URL) -> tuple[sa.Engine, str]:
    """Opens a results database to read; it changes neither the database nor, of a file, anything in its folder.

    A file of an older revision is read as a migrated copy, which is gone when the engine is disposed of.

    Args:
        url: A URL such as `sqlite:///runs/results.db` or `postgresql://user@host/name`.

    Returns:
        The engine, and in one line what a copied file may lack, which is empty for whole ones.

    Raises:
        DatabaseError: If there is none, it cannot be reached or read, is damaged, is of another program, or of a
            revision that this program cannot read.
    """
    parsed = read_url(url) if isinstance(url, str) else url
    path, name = find_file(parsed), show_url(parsed)
    if path is None and parsed.get_backend_name() == "sqlite":
        raise DatabaseError(f"{name} is a new database in memory, which holds no results; name a file or a server")
    engine = _create_engine(parsed, read_only=True)
    try:
        with as_database_error(engine):
            if path is not None:
                if not path.exists():
                    raise DatabaseError(f"no results database at {path}; run a job first, or name another")
                _inspect_file(path)
                if not can_be_read_in_place(path):
                    engine = _open_copy(parsed, path)
                engine.connect().close()  # SQLAlchemy ends the transaction of the first connection that it sees
            with engine.connect() as connection:
                if not has_tables(connection):
                    raise DatabaseError(f"{name} holds no results: it is empty; run a job first, or name another")
                outdated = is_outdated(connection)
            if not outdated:
                return engine, "" if path is None else describe_lack(path)
            if path is None:
                raise DatabaseError(f"{name} is of an older revision; a job that writes to it brings it up to date")
            engine.dispose()
            return _open_copy(parsed, path, outdated), ""
    except DatabaseError:
        engine.dispose()
        raise


def close_engine(engine: sa.Engine) -> None:
    """Closes all connections that were opened to write, after which a file is whole without others beside it.

    Args:
        engine: What `open_engine` gave.
    """
    engine.dispose()
    if (path := find_file(engine.url)) is not None:
        settle(path)


def _create_engine(url: sa.URL, read_only: bool = False) -> sa.Engine:
    """The engine of a URL; a file that is only read is opened anew by each query, as others may write meanwhile."""
    backend = url.get_backend_name()
    try:
        if backend != "sqlite":
            driver = "postgresql+psycopg" if url.drivername == "postgresql" else url.drivername
            return sa.create_engine(
                url.set(drivername=driver),
                pool_pre_ping=True,
                execution_options={"postgresql_readonly": read_only},
                json_deserializer=parse_json,
            )
        if read_only and (path := find_file(url)) is not None:
            return sa.create_engine(
                url, creator=partial(connect_to_read, path), poolclass=sa.NullPool, json_deserializer=parse_json
            )
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, json_deserializer=parse_json)
    except sa.exc.NoSuchModuleError as error:
        raise DatabaseError(f"unknown database driver {url.drivername!r}; name it {backend}://...") from error
    except ModuleNotFoundError as error:
        raise DatabaseError(
            f"{backend} needs the package {error.name!r}; do: pip install -c constraints.txt -e '.[{backend}]'"
        ) from error

    @sa.event.listens_for(engine, "connect")
    def check_references(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.cursor().execute("PRAGMA foreign_keys=ON")

    return engine


def _inspect_file(path: Path, before_writing: bool = False) -> None:
    """Creates the folder of a new SQLite file; checks an existing file read-only for damage."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return
    check_file(path)
    if damage := find_damage(path, before_writing):
        raise sqlite3.DatabaseError(f"the file is malformed ({damage})")


def _migrate_alone(connection: sa.Connection) -> None:
    """Creates or migrates the tables under a lock, as several processes may open the same database at once."""
    on_file = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("BEGIN IMMEDIATE" if on_file else f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    if is_outdated(connection):  # again, as another process may have migrated before this one got the lock
        migrate(connection)
    connection.commit()


def _let_readers_pass(connection: sa.Connection) -> None:
    """Sets the mode of a file in which readers never wait for the writer.

    SQLite does not wait for others here, who may be reading, or setting the mode themselves.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            return
        except sa.exc.OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)


def _open_copy(url: sa.URL, path: Path, outdated: bool = False) -> sa.Engine:
    """Opens a copy of a file, which is gone when the engine is disposed of, and migrates it if it is outdated."""
    copy = copy_whole(path)
    engine = sa.create_engine(url, creator=lambda: copy, poolclass=sa.StaticPool, json_deserializer=parse_json)
    with engine.connect() as connection:
        if outdated:
            migrate(connection)
            connection.commit()
        connection.exec_driver_sql("PRAGMA query_only=ON")
    return engine
