"""Database failures as one line with advice, and retries while a server restarts."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from results.database.url import hide_secrets, show_url
from search_spaces.quoting import escape_lines, join_lines

_RESTART_SECONDS = 120.0  # how long a server may be unreachable before a write fails
_RETRY_SECONDS = 0.5  # time between two attempts
_ADVICE = {  # a part of the driver's message, in lower case, to what a user can do
    "belongs to another": "both were left as they are; move it away, or copy the two files again",
    "full": "free some space and resume",
    "disk i/o": "check the disk's space and health, then resume",
    "readonly": "name a database that you may write",
    "unable to open": "name a file in a folder that you may write",
    "malformed": "it was left as it is; restore a copy or name another file",
    "not a database": "it was left as it is; name another file",
    "no such": "its tables are not those of a results database; restore a copy or name another",
    "decode": "a text in it is damaged; restore a copy",
    "locked": "another process holds it; try again when that is done",
}


class DatabaseError(ValueError):
    """The results database cannot be used; the message says in one line why, and what to do.

    Args:
        message: The line, which may quote what the database holds.
    """

    def __init__(self, message: str) -> None:
        super().__init__(escape_lines(message))


@contextmanager
def as_database_error(engine: sa.Engine) -> Iterator[None]:
    """Turns every failure of the database in a block into a `DatabaseError`.

    Raises:
        DatabaseError: If the driver, or the file system fails.
    """
    name = show_url(engine.url)
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error, OSError, UnicodeDecodeError) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        reason = hide_secrets(join_lines(str(cause)), engine.url)
        fitting = (advice for sign, advice in _ADVICE.items() if sign in reason.lower())
        advice = next(fitting, "check the URL and your access")
        raise DatabaseError(f"cannot use the results database {name}: {reason}; {advice}") from error


def retry_during_restart(engine: sa.Engine, work: Callable[[bool], None]) -> None:
    """Calls `work`, and calls it again if the connection to a PostgreSQL server breaks, for up to two minutes.

    Args:
        engine: The database.
        work: The function. Its argument says whether an earlier attempt was cut off; the server may have completed that
            attempt nevertheless.

    Raises:
        sqlalchemy.exc.OperationalError: If it still fails after two minutes, or at once for SQLite.
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
