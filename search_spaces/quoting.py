"""Quotes what a user wrote in the message of an error: whatever its size, in a few words and at once."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable

_MOST = 120  # characters of a quoted value: enough to find it again in a file
_MOST_OF_NAMES = 500  # characters of a list of names, such as those of columns
_MOST_OF_ERROR = 200  # characters of what a library says
_MOST_DIGITS = 40  # beyond them an integer is a slip of the hand, and Python refuses to print one of 4,300


def quote(value: object) -> str:
    """A value as Python writes it, with dots for what is left out of long texts and large or deep collections."""
    return cut(_QUOTES.repr(value), _MOST)


def cut(text: str, most: int) -> str:
    """The beginning and the end of a text, with dots for what is left out between them.

    Args:
        text: The text; one that is short enough is returned as it is.
        most: The most characters of the result.
    """
    if len(text) <= most:
        return text
    tail = (most - 5) // 3
    return f"{text[: most - 5 - tail]} ... {text[len(text) - tail :]}"


def quote_name(name: str) -> str:
    """A name as it is, or as Python writes it if it cannot be printed; dots for what is left out of a long one."""
    return cut(name, _MOST) if name.isprintable() else quote(name)


def list_names(names: Iterable[str]) -> str:
    """Names one after the other; what cannot be printed as Python writes it, and dots for what is left out of many."""
    return cut(", ".join(name if name.isprintable() else repr(name) for name in names), _MOST_OF_NAMES)


def describe_error(error: BaseException, most: int = _MOST_OF_ERROR) -> str:
    """What a library says of a fault, which may quote a file: in one line that can be printed; its type, if nothing.

    Args:
        error: The fault.
        most: The most characters of the result.
    """
    return cut(join_lines(str(error)), most) or type(error).__name__


def join_lines(text: str) -> str:
    """A text of any lines in one that can be printed: blanks and ends of lines become single blanks."""
    return escape(" ".join(text.split()))


def escape(line: str) -> str:
    """Writes what cannot be printed in a line, such as the character of code 27, as Python would."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in line)


def escape_lines(text: str) -> str:
    """Writes what cannot be printed as Python would; lines stay lines."""
    return "\n".join(map(escape, text.split("\n")))


class _Quotes(reprlib.Repr):
    """Never walks what it does not show: nested aliases of YAML stand for more than a memory holds."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 4, 80, 80
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 8

    def repr_int(self, value: int, level: int) -> str:  # noqa: ARG002  # called by its place
        """An integer; one of many digits by their number."""
        digits = round(value.bit_length() * 0.30103)
        return repr(value) if digits <= _MOST_DIGITS else f"an integer of {digits:,} digits"

    def repr_dict(self, value: dict[object, object], level: int) -> str:
        """A mapping in its own order: reprlib would sort all of its keys, to show the first."""
        shown = [
            f"{self.repr1(key, level - 1)}: {self.repr1(value[key], level - 1)}"
            for key, _ in zip(value, range(self.maxdict if level > 0 else 0), strict=False)
        ]
        return f"{{{', '.join([*shown, *['...'] * (len(shown) < len(value))])}}}"


_QUOTES = _Quotes()
