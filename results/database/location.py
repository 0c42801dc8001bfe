"""Where a results database lies: a URL as people write it, or the file in a folder of runs."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from results.database.errors import DatabaseError
from results.database.url import parse_url, show_url

FILE_NAME = "results.db"
_BACKENDS = ("sqlite", "postgresql")
_IN_MEMORY = (None, "", ":memory:")


def locate_database(runs: Path, given: str | None = None) -> sa.URL:
    """The URL of the results database of a folder of runs.

    It is not put together as text, in which a `?` or a `%` of the folder's name would have a meaning.

    Args:
        runs: The folder of all runs, in which the database is by default.
        given: A URL that is taken instead.

    Raises:
        DatabaseError: If the given URL is not one of a results database.
    """
    return read_url(given) if given else sa.URL.create("sqlite", database=str(runs / FILE_NAME))


def read_url(text: str) -> sa.URL:
    """A URL such as `sqlite:///runs/results.db` or `postgresql://user@host/name`.

    Raises:
        DatabaseError: If it is not one of a results database.
    """
    try:
        url = parse_url(text)
    except ValueError as error:
        raise DatabaseError(str(error)) from None  # the cause may hold a password
    backend = url.get_backend_name()
    if backend not in _BACKENDS:
        raise DatabaseError(f"a results database is one of {', '.join(_BACKENDS)}; got {backend!r}")
    if backend == "sqlite" and ("?" in text or url.host or str(url.database).startswith("file:")):
        raise DatabaseError(
            "an SQLite database is named by sqlite:/// and its path without options, and %3F is a question mark in it; "
            f"got {show_url(url)} with a host, a scheme or options"
        )
    return url


def find_file(url: sa.URL) -> Path | None:
    """The file of an SQLite database; None for a server, and for a database in memory."""
    if url.get_backend_name() != "sqlite" or url.database in _IN_MEMORY:
        return None
    return Path(str(url.database))
