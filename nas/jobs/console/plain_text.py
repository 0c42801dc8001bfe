"""Names that users, tables and databases brought, in what Rich prints: nothing in them is markup."""

from __future__ import annotations

from rich.text import Text

from results.printable import escape_controls


def plain(value: object) -> Text:
    """A value as one line, without markup and control characters; a line break is written as one, too."""
    return Text(escape_controls(str(value).replace("\n", "\\n")))
