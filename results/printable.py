"""Names and texts that users, tables and databases brought, as they are printed."""

from __future__ import annotations

from search_spaces.quoting import escape


def escape_controls(text: str) -> str:
    """Writes what cannot be printed, such as the character of code 27, as Python would; lines stay lines."""
    return "\n".join(map(escape, text.split("\n")))
