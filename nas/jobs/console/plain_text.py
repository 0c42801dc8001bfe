"""Names that users, tables and databases brought, in what Rich prints: nothing in them is markup."""

from __future__ import annotations

from rich.text import Text

from search_spaces.quoting import escape


def plain(value: object) -> Text:
    """A value as one line, without markup and control characters; a line break is written as one, too."""
    return Text(escape(str(value)))
