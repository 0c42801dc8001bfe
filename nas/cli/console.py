"""The console of all commands; it has a fixed width if the output is no terminal."""

from __future__ import annotations

from rich.console import Console

_PIPED_WIDTH = 120  # characters per line if the output goes to a file or a pipe: tables need more than Rich's default


def open_console() -> Console:
    """A console on standard output."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPED_WIDTH)
