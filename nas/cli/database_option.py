"""The option that names the results database, whose URL may hold a password: it may come by environment or file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import typer

from hardware.input_file import read_text

_LONGEST_URL = 10_000  # bytes; longer ones are no URLs


def read_database(given: str | None) -> str | None:
    """The URL that an option or NAS_DATABASE gives: itself, or `@` and the file that holds it.

    Raises:
        ValueError: If others than its owner may read the file, or it holds none.
        OSError: If it cannot be read.
    """
    if not given or not given.startswith("@"):
        return given or None
    path = Path(given[1:])
    text = read_text(path, _LONGEST_URL).strip()
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ValueError(f"{path} may hold a password, and others may read it; do: chmod 600 {path}")
    if not text:
        raise ValueError(f"{path} must hold the URL of a results database, and is empty")
    return text


def check_command_line(database: str | None) -> None:
    """Makes sure that the command line of this process, which Ray shows on its dashboard, holds no password.

    Raises:
        ValueError: If it does.
    """
    if database is None or not any(database in word for word in sys.orig_argv):
        return
    from results.database.url import find_secrets, parse_url

    if find_secrets(parse_url(database)):
        raise ValueError(
            "Ray shows the command line to whoever sees its dashboard, and --database holds a password; set "
            "NAS_DATABASE in its place, or name a file of mode 600 that holds the URL: --database @FILE"
        )


def database_option(explanation: str) -> Any:
    """An option whose value is the URL of a database, which may hold a password."""
    return typer.Option(envvar="NAS_DATABASE", callback=read_database, metavar="URL|@FILE", help=explanation)
