"""Brings the tables of a database to the newest revision, by Alembic.

A revision is a file in `migrations/versions`; the newest one makes what `schema` says. Alembic takes a fifth of a
second to import, which only those pay who make a database or change its tables.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import sqlalchemy as sa

from results.database.errors import DatabaseError
from results.database.url import show_url

VERSION_TABLE = "nas_alembic_version"  # a server may hold the tables of other programs that use Alembic, too
_FOLDER = Path(__file__).parent / "migrations"
VERSIONS = _FOLDER / "versions"
_BEFORE_REVISIONS = "nas_schema"  # a table of databases that were written before there were revisions
_ALEMBIC = Lock()  # it keeps what it works on in a variable of the process


def has_tables(connection: sa.Connection) -> bool:
    """Whether the database holds the tables of this program, of any revision.

    Raises:
        DatabaseError: If the tables are those of another program, or of a version of this one that is older than
            revisions are.
    """
    return _stored_revision(connection) is not None


def is_outdated(connection: sa.Connection) -> bool:
    """Whether the tables are to be made or brought to the newest revision.

    Raises:
        DatabaseError: If the tables are those of another program, or of a version of this one that is newer, or older
            than revisions are.
    """
    revision = _stored_revision(connection)
    known = _known_revisions()
    if revision is not None and revision not in known:
        raise DatabaseError(
            f"{_name(connection)} has revision {revision[:20]!r}, this nas knows those up to {known[-1]}; "
            "update nas, or name another database"
        )
    return revision != known[-1]


def migrate(connection: sa.Connection) -> None:
    """Applies the missing revisions in the transaction of the connection, which the caller commits."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("version_locations", str(VERSIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")  # a folder's name may hold spaces, commas and colons
    with _ALEMBIC:
        command.upgrade(config, "head")


def _stored_revision(connection: sa.Connection) -> str | None:
    """The revision of the tables; None if there are none yet."""
    tables = sa.inspect(connection).get_table_names()
    if VERSION_TABLE in tables:
        revision = connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))
        if not isinstance(revision, str):
            raise DatabaseError(f"{_name(connection)} is damaged: it names no revision; restore a copy")
        return revision
    if _BEFORE_REVISIONS in tables:
        raise DatabaseError(
            f"{_name(connection)} was written by an older nas in a form that this one does not read; "
            "name another database, and query this one with the nas that wrote it"
        )
    if tables and connection.dialect.name == "sqlite":
        shown = ", ".join(tables[:4])
        raise DatabaseError(f"{_name(connection)} is no results database (it holds {shown}); name another file")
    return None


def _known_revisions() -> list[str]:
    """Oldest first."""
    return sorted(path.stem.partition("_")[0] for path in VERSIONS.glob("r*.py"))


def _name(connection: sa.Connection) -> str:
    return show_url(connection.engine.url)
