"""The console of all commands, wide enough where no terminal says how wide it is."""

from __future__ import annotations

from rich.console import Console

_PIPED_WIDTH = 120  # columns


def open_console() -> Console:
    """A console on standard output."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPED_WIDTH)
