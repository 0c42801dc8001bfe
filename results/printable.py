"""Names and texts that users, tables and databases brought, as they are printed."""

from __future__ import annotations


def escape_controls(text: str) -> str:
    """Writes what cannot be printed, such as the character of code 27, as Python would; lines stay lines."""
    return "\n".join(
        "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line) for line in text.split("\n")
    )
