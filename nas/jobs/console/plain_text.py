"""How values stand in what is printed; names that users, tables and databases brought hold no markup."""

from __future__ import annotations

from datetime import timedelta

from rich.text import Text

from search_spaces.quoting import escape


def plain(value: object) -> Text:
    """A value as one line, without markup and control characters; a line break is written as one, too."""
    return Text(escape(str(value)))


def describe_duration(seconds: float) -> str:
    """A time as hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))
