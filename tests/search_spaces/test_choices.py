"""Choices have distinct values, and genes know whether these are ordered."""

from __future__ import annotations

import pytest

from search_spaces.choices import Choice, Gene


@pytest.mark.parametrize("values", [(), (1, 2, 1)])
def test_a_choice_needs_distinct_values(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one or more distinct values"):
        Choice("gene", values)


def test_sizes_are_ordered_and_names_are_not() -> None:
    assert Gene("0.1.kernel", (3, 5), is_policy=False).is_ordered
    assert not Gene("edge", ("skip", "conv"), is_policy=False).is_ordered
    assert not Gene("stem.policy", ("w32a32", "w8a8"), is_policy=True).is_ordered


def test_a_dimension_is_the_last_part_of_a_name() -> None:
    assert [Gene(name, (1,), is_policy=False).dimension for name in ("0.1.kernel", "resolution")] == [
        "kernel",
        "resolution",
    ]
