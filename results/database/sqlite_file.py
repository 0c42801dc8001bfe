"""An SQLite file as it lies in its folder: whole, in use, or a copy that lacks something.

While a results database is written, SQLite keeps new pages in a file `-wal` beside it, and what readers and writers
must know of them in a file `-shm`; the file itself says that it is in this mode. The last writer that closes it brings
all into the file, and sets the mode back. So whoever finds a file in this mode without its `-wal` has a copy that was
taken while a program wrote, or after one was killed, and whoever finds a `-wal` beside a file that is not in this mode
has two files that do not belong together, which SQLite would mix.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from search_spaces.file_kind import find_file_kind

BUSY_SECONDS = 60.0  # how long SQLite waits while another process writes
_MOMENT_SECONDS = 0.3  # longer than a writer takes to open or close a file, and all that lies beside it
_UNTOUCHED_SECONDS = 2.0  # a file that nobody touched for so long is neither being opened nor closed
_READING_SECONDS = 0.5  # longer than most queries of readers take, who hold the file as another writer does
_MODE_AT, _IN_USE = 18, 2  # place and value of the byte of the header that says that there is a -wal


def check_file(path: Path) -> None:
    """Looks whether a database and what lies beside it are files that can be read.

    SQLite would wait for ever on a pipe, and does not say which file may not be read.

    Args:
        path: The database, which exists.

    Raises:
        OSError: If one of the files is none, or may not be read.
        sqlite3.DatabaseError: If the `-wal` beside it is not its own.
    """
    for one in (path, _beside(path, "wal"), _beside(path, "shm"), _beside(path, "journal")):
        with suppress(FileNotFoundError):
            if (kind := find_file_kind(one.stat())) != "a file":
                raise OSError(f"{one} is {kind}")
            one.open("rb").close()
    if _lasts(path, lambda: _has(path, "wal") and not _is_in_use(path)):
        raise sqlite3.DatabaseError(
            f"{_beside(path, 'wal').name} beside it belongs to another file of this name, and would be mixed in"
        )


def can_be_read_in_place(path: Path) -> bool:
    """Whether SQLite can read a database where it lies without changing anything there.

    Not if it has to make the -shm again, or to undo what was being written when a program was interrupted.

    Args:
        path: The database, which exists.
    """
    if _lasts(path, lambda: _has(path, "wal") and not _beside(path, "shm").exists()):
        return False
    if not _has(path, "journal"):
        return True
    with closing(_connect(path, "mode=ro")) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError as error:
            return error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK"
    return True  # a program is writing


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Opens a database so that nothing in its folder changes; it may lie where nobody can write.

    While a writer has it open, what that one has committed is read, and neither waits for the other.

    Args:
        path: The database, which exists and `can_be_read_in_place`.

    Raises:
        sqlite3.Error: If it cannot be opened.
    """
    deadline = time.monotonic() + 10 * _MOMENT_SECONDS
    while True:
        connection = _connect(path, _choose_options(path))
        try:
            connection.execute("BEGIN")  # no writer can change the mode of the file until this is closed or rolled back
            connection.execute("SELECT count(*) FROM sqlite_master")
            return connection
        except sqlite3.OperationalError as error:  # a -shm may have gone meanwhile
            connection.close()
            if error.sqlite_errorname != "SQLITE_CANTOPEN" or time.monotonic() > deadline:
                raise
            time.sleep(_MOMENT_SECONDS / 10)


def copy_whole(path: Path) -> sqlite3.Connection:
    """Copies a database, with what lies in the files beside it, into one that is gone when it is closed.

    Args:
        path: The database, which exists.

    Raises:
        OSError: If there is no room for the copy.
        sqlite3.Error: If it cannot be opened.
    """
    copy = sqlite3.connect("", check_same_thread=False)  # a temporary file of SQLite
    copy.text_factory = _decode
    if can_be_read_in_place(path):
        with closing(connect_to_read(path)) as source:
            source.backup(copy)
        return copy
    with TemporaryDirectory(prefix="nas-") as folder:
        there = Path(folder) / path.name
        shutil.copyfile(path, there)
        for kind in ("wal", "journal"):
            if _has(path, kind):
                shutil.copyfile(_beside(path, kind), _beside(there, kind))
        with closing(sqlite3.connect(there)) as source:
            source.backup(copy)
    return copy


def find_damage(path: Path, before_writing: bool = False) -> str:
    """What SQLite finds wrong with a database; empty if nothing.

    Args:
        path: The database, which exists.
        before_writing: Whether what lies in a `-wal`, which the next writer brings into the file, must belong there.

    Raises:
        sqlite3.Error: If it cannot be opened.
    """
    connect = connect_to_read if can_be_read_in_place(path) else copy_whole
    with closing(connect(path)) as connection:
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok" or not before_writing or not _has(path, "wal"):
            return "" if verdict == "ok" else verdict
        lost = connection.execute("PRAGMA foreign_key_check").fetchone()
    return f"rows of {lost[0]} refer to rows that are not there, as if its -wal were of another file" if lost else ""


def describe_lack(path: Path) -> str:
    """What a copied database may lack, in one line; empty if it is whole.

    Args:
        path: The database, which exists.
    """
    if not _lasts(path, lambda: _lacks_wal(path)):
        return ""
    name = _beside(path, "wal").name
    return (
        f"{path} was not closed by the program that wrote it, and {name} is not beside it: if it was copied, the last "
        f"evaluations are in the {name} beside the original; copy both"
    )


def settle(path: Path) -> None:
    """Brings all that was written into the file itself, unless another process has it open, which will do so then.

    Args:
        path: The database, which this process has closed.
    """
    deadline = time.monotonic() + _READING_SECONDS
    while path.exists():
        try:
            with closing(sqlite3.connect(path, timeout=0.0)) as connection:
                connection.execute("PRAGMA journal_mode=DELETE")
            return
        except sqlite3.Error as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                return
        time.sleep(_READING_SECONDS / 10)


def _decode(text: bytes) -> str:
    """A text, of which another program may have stored what is no UTF-8: one such name must not hide all others."""
    return text.decode("utf-8", "backslashreplace")


def _beside(path: Path, kind: str) -> Path:
    return Path(f"{path.resolve()}-{kind}")  # SQLite follows links first


def _has(path: Path, kind: str) -> bool:
    try:
        return _beside(path, kind).stat().st_size > 0
    except FileNotFoundError:
        return False


def _choose_options(path: Path) -> str:
    if _lasts(path, lambda: _lacks_wal(path)):  # nobody has it open, and SQLite would make a -wal and a -shm
        return "immutable=1"
    if not _beside(path, "wal").exists():
        return "mode=ro"
    return "mode=ro&readonly_shm=1" if _has(path, "wal") or _beside(path, "shm").exists() else "immutable=1"


def _lacks_wal(path: Path) -> bool:
    return _is_in_use(path) and not _beside(path, "wal").exists()


def _lasts(path: Path, is_odd: Callable[[], bool]) -> bool:
    """Whether a file is in an odd state, and not only for the moment in which a writer opens or closes it."""
    deadline = time.monotonic() + _MOMENT_SECONDS
    while is_odd():
        touched = max(path.stat().st_mtime, path.resolve().parent.stat().st_mtime)
        if time.time() - touched > _UNTOUCHED_SECONDS or time.monotonic() > deadline:
            return True
        time.sleep(_MOMENT_SECONDS / 10)
    return False


def _connect(path: Path, options: str) -> sqlite3.Connection:
    location = f"{path.resolve().as_uri()}?{options}"
    connection = sqlite3.connect(location, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
    connection.text_factory = _decode
    return connection


def _is_in_use(path: Path) -> bool:
    """Whether the header says that new pages are in a `-wal`."""
    with path.open("rb") as file:
        return file.read(_MODE_AT + 1)[_MODE_AT:] == bytes([_IN_USE])
