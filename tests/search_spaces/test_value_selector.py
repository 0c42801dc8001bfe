"""Selectors open values by dimension or gene; policies count from the first, sizes from the last."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from search_spaces.choices import Gene
from search_spaces.value_selector import ALL, ValueSelector, select_values

GENES = [
    Gene("0.kernel", (3, 5, 7), is_policy=False),
    Gene("1.kernel", (3, 5, 7), is_policy=False),
    Gene("stem.policy", ("w32a32", "w8a8", "w4a8"), is_policy=True),
    Gene("head.policy", ("w32a32",), is_policy=True),
]


@pytest.mark.parametrize(
    ("selectors", "opened"),
    [
        ({}, ((0, 1, 2), (0, 1, 2), (0, 1, 2), (0,))),
        ({"kernel": "largest 2", "0.kernel": [3]}, ((0,), (1, 2), (0, 1, 2), (0,))),
        ({"kernel": [7, 3]}, ((0, 2), (0, 2), (0, 1, 2), (0,))),
        ({"policy": "largest 2"}, ((0, 1, 2), (0, 1, 2), (0, 1), (0,))),
        ({"policy": ["w4a8"]}, ((0, 1, 2), (0, 1, 2), (2,), (0,))),  # the head stays at the first of its own
    ],
)
def test_what_is_named_is_open_and_all_else_by_default(
    selectors: Mapping[str, ValueSelector], opened: tuple[tuple[int, ...], ...]
) -> None:
    assert select_values("made-up", GENES, selectors, ALL) == opened


@pytest.mark.parametrize(
    ("selectors", "line"),
    [
        ({"depth": ALL}, "space 'made-up' has no 'depth' to open; it has kernel, policy"),
        ({"kernel": [9]}, r"kernel of space 'made-up' must be some of \[3, 5, 7\], got \[9\]"),
        ({"1.kernel": "largest 4"}, r"1.kernel of space 'made-up' has 3 values \[3, 5, 7\], got 'largest 4'"),
        ({"kernel": "smallest 1"}, "is 'all', 'largest N' or a list of values, got 'smallest 1'"),
        ({"kernel": "largest 0"}, "is 'all', 'largest N' or a list of values, got 'largest 0'"),
        ({"kernel": "largest ²"}, "is 'all', 'largest N' or a list of values, got 'largest ²'"),
        ({"kernel": f"largest {'9' * 5000}"}, "is 'all', 'largest N' or a list of values, got 'largest 999"),
    ],
)
def test_what_cannot_be_open_is_refused(selectors: Mapping[str, ValueSelector], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        select_values("made-up", GENES, selectors, ALL)
