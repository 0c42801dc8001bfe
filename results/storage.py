"""In: a database URL. Out: an SQLAlchemy engine on a sound results database, or `DatabaseError`. Knows no metric.

A database that is damaged or not ours is never written to: files are inspected read-only before anything else.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

SCHEMA_VERSION = 4
_BUSY_SECONDS = 60.0
_RESTART_SECONDS, _RETRY_SECONDS = 120.0, 0.5  # how long a server may be away, and how often it is looked for
_CREATION_LOCK = 0x6E6173  # any fixed number: the PostgreSQL advisory lock under which tables are made
_BACKENDS = ("sqlite", "postgresql")
_ADVICE = {
    "full": "free some space and resume",
    "disk i/o": "check the disk's space and health, then resume",
    "readonly": "name a database that you may write",
    "unable to open": "name a file in a folder that you may write",
    "malformed": "it was left as it is; restore a copy or name another file",
    "not a database": "it was left as it is; name another file",
    "locked": "another process holds it; try again when that is done",
}

_METADATA = sa.MetaData()
schema = sa.Table("nas_schema", _METADATA, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
runs = sa.Table(
    "nas_runs",
    _METADATA,
    sa.Column("run", sa.String(200), primary_key=True),
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("device", sa.String(200), nullable=False),
    sa.Column("job", sa.String(200), nullable=False),
    sa.Column("stage", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False, index=True),
    sa.Column("sources", sa.JSON, nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    sa.Column("git", sa.String(200), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
)
candidates = sa.Table(
    "nas_candidates",
    _METADATA,
    sa.Column("key", sa.String(16), primary_key=True),
    sa.Column("json", sa.Text, nullable=False),
    sa.Column("resolution", sa.Integer, nullable=False),  # these three spare every query the parsing of the JSON
    sa.Column("blocks", sa.Integer, nullable=False),
    sa.Column("mean_weight_bits", sa.Float, nullable=False),
)
evaluations = sa.Table(
    "nas_evaluations",
    _METADATA,
    sa.Column("run", sa.ForeignKey(runs.c.run), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("tell_order", sa.Integer, nullable=False),
    sa.Column("candidate_key", sa.ForeignKey(candidates.c.key), nullable=False),
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("fidelity", sa.Float, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("values", sa.JSON, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.UniqueConstraint("run", "tell_order"),
)


class DatabaseError(ValueError):
    """The results database cannot be used; the message says why and what would do, in one line."""


def open_engine(url: str) -> sa.Engine:
    """Opens a results database, making its folder, file and tables where there are none.

    Args:
        url: An SQLAlchemy URL, such as `sqlite:///runs/results.db` or `postgresql://user@host/name`.

    Raises:
        DatabaseError: If it cannot be reached, read or written, is damaged, or is of another kind or schema version.
    """
    engine = _engine(url)
    try:
        with as_database_error(engine):
            if engine.dialect.name == "sqlite":
                _inspect_file(engine.url)
            with engine.connect() as connection:
                if not _is_ours(connection):
                    connection.rollback()
                    _create(connection)
    except DatabaseError:
        engine.dispose()
        raise
    return engine


def retry_during_restart(engine: sa.Engine, work: Callable[[bool], None]) -> None:
    """Does something, and again while the server of the database restarts.

    Args:
        engine: The database.
        work: Told whether an earlier try was cut off: then it may have been done all the same.
    """
    deadline, cut_off = time.monotonic() + _RESTART_SECONDS, False
    while True:
        try:
            return work(cut_off)
        except sa.exc.OperationalError:
            if engine.dialect.name == "sqlite" or time.monotonic() > deadline:
                raise
            cut_off = True
            engine.dispose()
            time.sleep(_RETRY_SECONDS)


@contextmanager
def run_lock(engine: sa.Engine, run: str) -> Iterator[None]:
    """Holds a run for this process while a block runs; the system frees it when the process dies.

    Raises:
        ValueError: If another process holds it.
    """
    advice = f"another process writes run {run!r}; wait for it, or give this one another name"
    database = engine.url.database
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            key = int.from_bytes(hashlib.sha256(run.encode()).digest()[:8], signed=True)
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
                raise ValueError(advice)
            try:
                yield
            finally:
                connection.invalidate()  # closes the session, and so frees the lock
    elif database in (None, "", ":memory:"):
        yield
    else:
        lock = Path(f"{database}-{hashlib.sha256(run.encode()).hexdigest()[:8]}.lock")
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ValueError(advice) from error
            yield
            lock.unlink(missing_ok=True)


def insert_if_absent(table: sa.Table, connection: sa.Connection) -> sa.Insert:
    """An insert that leaves a row with the same primary key as it is."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


@contextmanager
def as_database_error(engine: sa.Engine) -> Iterator[None]:
    """Turns every failure of the database within into a `DatabaseError`."""
    name = engine.url.render_as_string(hide_password=True)
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error, OSError) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        reason = " ".join(str(cause).split())
        fitting = (advice for sign, advice in _ADVICE.items() if sign in reason.lower())
        advice = next(fitting, "check the URL and your access")
        raise DatabaseError(f"cannot use the results database {name}: {reason}; {advice}") from error
    except json.JSONDecodeError as error:
        raise DatabaseError(f"a row of the results database {name} is damaged ({error}); restore a copy") from error


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
        if backend not in _BACKENDS:
            raise DatabaseError(f"a results database is one of {', '.join(_BACKENDS)}; got {backend!r}")
        if backend != "sqlite":
            driver = "postgresql+psycopg" if parsed.drivername == "postgresql" else parsed.drivername
            return sa.create_engine(parsed.set(drivername=driver), pool_pre_ping=True)
        engine = sa.create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
    except sa.exc.NoSuchModuleError as error:
        raise DatabaseError(f"unknown database driver {parsed.drivername!r}; name it {backend}://...") from error
    except sa.exc.ArgumentError as error:
        shown = url.rpartition("@")[2]  # what comes before may hold a password
        raise DatabaseError(f"a results database is named like sqlite:///runs/results.db, got {shown!r}") from error
    except ModuleNotFoundError as error:
        raise DatabaseError(
            f"{backend} needs the package {error.name!r}; do: pip install -c constraints.txt -e '.[{backend}]'"
        ) from error

    @sa.event.listens_for(engine, "connect")
    def check_references(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.cursor().execute("PRAGMA foreign_keys=ON")

    return engine


def _inspect_file(url: sa.URL) -> None:
    """Makes the folder of a new file; reads an old one through without changing a byte of it."""
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


def _is_ours(connection: sa.Connection) -> bool:
    """Whether the tables are there; False means that they may be made."""
    tables = sa.inspect(connection).get_table_names()
    name = connection.engine.url.render_as_string(hide_password=True)
    if schema.name not in tables:
        if tables and connection.dialect.name == "sqlite":
            raise DatabaseError(f"{name} is no results database (it holds {', '.join(tables[:4])}); name another file")
        return False
    found = connection.scalar(sa.select(sa.func.max(schema.c.version)))
    if found != SCHEMA_VERSION:
        raise DatabaseError(
            f"{name} has schema version {found}, this nas reads {SCHEMA_VERSION}; "
            "use the nas that wrote it or name another database"
        )
    return True


def _create(connection: sa.Connection) -> None:
    """Makes the tables under a lock, so that many processes may open a new database at once."""
    on_file = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("BEGIN IMMEDIATE" if on_file else f"SELECT pg_advisory_xact_lock({_CREATION_LOCK})")
    if not _is_ours(connection):
        _METADATA.create_all(connection)
        connection.execute(insert_if_absent(schema, connection), {"version": SCHEMA_VERSION})
    connection.commit()
    if on_file:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # others may read while a run writes
    if on_file:  # readers then never wait for the writer; the mode is kept in the file
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
