"""URLs of results databases: how they are read, and what of them may be shown, which is nothing secret."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

_FORM = "a results database is named like sqlite:///runs/results.db or postgresql://user@host/name"
_PATH = re.compile(r"[\w./ -]*")  # what may be shown of a text that is no URL
_SECRET_OPTION = re.compile(r"pass(?!file)|pwd|secret|token", re.IGNORECASE)  # `passfile` is the name of a file


def parse_url(text: str) -> sa.URL:
    """Reads a URL; nothing that may be secret stands in the message if that fails.

    Raises:
        ValueError: If it is no URL, its port is no number, or its host or database show that a user name or password
            has characters that must be percent-encoded.
    """
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        got = f"got {text!r}" if _PATH.fullmatch(text) else "got a text of another form, which may hold a password"
        raise ValueError(f"{_FORM}; {got}") from None  # the cause may hold it, too
    if url.get_backend_name() != "sqlite" and set("@;=") & set(f"{url.host}{url.database}"):
        raise ValueError(
            f"{_FORM}; in a user name or password, @ is written %40, / %2F, : %3A and % %25, and options follow a '?'"
        )
    return url


def show_url(url: sa.URL) -> str:
    """A URL as messages show it: without the password and without options, which may hold one, too."""
    if url.get_backend_name() == "sqlite":
        return f"{url.drivername}:///{url.database or ''}"
    return url.set(query={}).render_as_string(hide_password=True)


def find_secrets(url: sa.URL) -> list[str]:
    """The passwords and tokens in a URL, longest first; a URL without any needs no care."""
    options = [part for name, values in url.normalized_query.items() for part in values if _SECRET_OPTION.search(name)]
    found = {part for part in [str(url.password or ""), *options] if part}
    return sorted(found, key=len, reverse=True)


def hide_secrets(message: str, url: sa.URL) -> str:
    """A message in which three stars replace the secrets of a URL, however they are encoded.

    Args:
        message: What a driver says.
        url: The URL that it was given.
    """
    for secret in find_secrets(url):
        for form in (quote(secret, safe=""), quote_plus(secret), secret):
            message = message.replace(form, "***")
    return message
