"""Values of any size are quoted in a few words and at once; small ones as they are."""

from __future__ import annotations

import pytest

from search_spaces.quoting import cut, describe_error, escape_lines, list_names, quote, quote_name


@pytest.mark.parametrize("value", [8, -1.5, "w8a8", ["w32a32", "w8a8"], {"b": 1, "a": [None, True]}, (), {}])
def test_a_small_value_is_quoted_as_it_is(value: object) -> None:
    assert quote(value) == repr(value)


def _laughs() -> object:
    value: object = "ha"
    for _ in range(60):
        value = [value] * 9  # of 9 ** 60 leaves, in 60 lists
    return value


def _deep() -> object:
    value: object = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("n" * 1_000_000, "nn...nn"),
        ([*range(1_000_000)], "[0, 1, 2, 3, 4, 5, 6, 7, ...]"),
        ({f"key{number}": number for number in range(100_000)}, "{'key0': 0, 'key1': 1,"),
        (1 << 100_000, "an integer of 30,103 digits"),
        (_laughs(), "["),
        (_deep(), "[[[[[...]]]]]"),
    ],
    ids=["text", "list", "dict", "int", "laughs", "deep"],
)
def test_a_large_value_is_cut(value: object, words: str) -> None:
    assert words in quote(value)
    assert len(quote(value)) <= 120


def test_a_cut_text_keeps_both_of_its_ends() -> None:
    assert cut("short", 20) == "short"
    assert cut("the rule, what came, what would do", 20) == "the rule,  ... ld do"


def test_names_are_listed_in_a_line() -> None:
    assert list_names(["path", "a\nb"]) == r"path, 'a\nb'"
    assert len(list_names(["x" * 50] * 1000)) <= 500


def test_a_name_is_quoted_only_if_it_must_be() -> None:
    assert quote_name("layer.0.weight") == "layer.0.weight"
    assert quote_name("a\nb") == r"'a\nb'"
    assert len(quote_name("x" * 10_000)) <= 120


def test_what_a_library_says_is_one_line() -> None:
    assert describe_error(ValueError("a\n b\x0e")) == r"a b\x0e"
    assert describe_error(MemoryError()) == "MemoryError"
    assert len(describe_error(ValueError("x" * 10_000))) <= 200


def test_lines_stay_lines_and_what_a_terminal_would_obey_is_written() -> None:
    assert escape_lines("a [b] ä 漢\n\x1b[31m\t\u202e\ud800") == "a [b] ä 漢\n\\x1b[31m\\t\\u202e\\ud800"
