from __future__ import annotations

from results.printable import escape_controls


def test_what_cannot_be_printed_is_escaped_and_lines_stay() -> None:
    assert escape_controls("a [b] ä 漢\n\x1b[31m\t\u202e\ud800") == "a [b] ä 漢\n\\x1b[31m\\t\\u202e\\ud800"
