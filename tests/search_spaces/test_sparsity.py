"""Zeros are a share or a pattern; a sparse weight never takes more bits than a dense one."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.compression_policy import LayerPolicy
from search_spaces.low_rank import LowRank
from search_spaces.operators.weighted import Convolution, Embedding, Linear
from search_spaces.sparsity import (
    GroupedSparsity,
    UnstructuredSparsity,
    check_sparsity,
    count_stored_bits,
    parse_sparsity,
)


@pytest.mark.parametrize("sparsity", [UnstructuredSparsity(0.3), UnstructuredSparsity(0.01), GroupedSparsity(2, 4)])
def test_text_is_a_round_trip(sparsity: UnstructuredSparsity | GroupedSparsity) -> None:
    assert parse_sparsity(str(sparsity)) == sparsity


def test_every_share_is_read_as_it_is_written() -> None:
    """The shortest text of a float that is read back has up to 17 digits, before which one below 0.1 has a zero."""
    rng = np.random.default_rng(0)
    drawn = [*rng.uniform(0.01, 0.99, 300), *rng.uniform(0.01, 0.1, 300)]
    for share in (0.01, np.nextafter(0.01, 1), np.nextafter(0.1, 0), 1 / 17, np.nextafter(0.99, 0), 0.99, *drawn):
        policy = LayerPolicy(sparsity=UnstructuredSparsity(share), low_rank=LowRank(share))
        assert LayerPolicy.parse(str(policy)) == policy
        assert LayerPolicy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize("text", ["0.0", "1.0", "0.999", "nan", "-0.5", "4:4", "0:4", "2:64", "2", "2:4:8", ""])
def test_what_leaves_nothing_or_everything_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be from 0.01 to 0.99|keeps n of m weights|written like 0.5"):
        parse_sparsity(text)


def test_a_bitmap_and_the_codes_that_are_kept_are_stored_if_they_are_smaller() -> None:
    assert count_stored_bits(1000, 8, None) == 8000
    assert count_stored_bits(1000, 8, UnstructuredSparsity(0.75)) == 1000 + 250 * 8
    assert count_stored_bits(1000, 8, GroupedSparsity(2, 4)) == 1000 + 500 * 8
    assert count_stored_bits(1000, 2, UnstructuredSparsity(0.25)) == 2000  # the bitmap would take more than it saves


def test_what_has_no_whole_groups_of_inputs_is_refused() -> None:
    check_sparsity(Convolution.square(8, 4, 3), GroupedSparsity(2, 4))
    check_sparsity(Convolution.square(8, 8, 3, groups=8), UnstructuredSparsity(0.5))
    with pytest.raises(ValueError, match="2:4 sparsity needs a multiple of 4 input channels, got 3"):
        check_sparsity(Convolution.square(3, 4, 3), GroupedSparsity(2, 4))
    with pytest.raises(ValueError, match="4 input channels, got 1"):
        check_sparsity(Convolution.square(8, 8, 3, groups=8), GroupedSparsity(2, 4))
    with pytest.raises(ValueError, match="for linear layers and convolutions, got embedding"):
        check_sparsity(Embedding(8, 4), UnstructuredSparsity(0.5))
    check_sparsity(Linear(8, 3), GroupedSparsity(1, 8))
