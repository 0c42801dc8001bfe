"""The order of samples is a function of seed and epoch, and reads files block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from nas.data.decoding.image_decoder import ImageDecoder
from nas.data.inputs import Inputs, StoredInputs, TensorInputs
from nas.data.layouts.records import ArrayRecords
from nas.data.order import compare_mixing, order_samples, share_rows
from nas.tasks.task import RawLabels


@dataclass(frozen=True)
class Blocked(ArrayRecords):
    """Arrays that are read in blocks of ten, four of which fit into a window."""

    @property
    def block_sizes(self) -> tuple[int, ...]:
        return (10,) * 20

    @property
    def block_bytes(self) -> int:
        return 12 * 2**20


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


ARRAYS = np.zeros((200, 8, 8), np.uint8)
BLOCKED = StoredInputs(
    Blocked(ARRAYS, RawLabels([0] * 200, str, "here")),
    ImageDecoder(8, 1),
    torch.randperm(200, generator=generator(0))[:160],
)
WHOLE = TensorInputs(torch.zeros(160, 1, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("inputs", [BLOCKED, WHOLE])
def test_an_epoch_holds_every_row_once_in_an_order_of_its_own(inputs: Inputs) -> None:
    order = order_samples(inputs, generator(1))
    assert order.sort().values.tolist() == list(range(160))
    assert torch.equal(order, order_samples(inputs, generator(1)))
    assert not torch.equal(order, order_samples(inputs, generator(2)))


def test_a_window_of_blocks_is_read_at_a_time() -> None:
    rows = BLOCKED.rows[order_samples(BLOCKED, generator(1))]
    blocks, seen = (rows // 10).tolist(), list[set[int]]()
    for block in blocks:
        if not seen or (block not in seen[-1] and len(seen[-1]) == 4):
            seen.append(set())
        seen[-1].add(block)
    assert [len(window) for window in seen] == [4] * 5
    assert len(set().union(*seen)) == 20
    assert sum(a != b for a, b in zip(blocks[1:], blocks, strict=False)) > 80  # mixed within the window


@pytest.mark.parametrize("inputs", [BLOCKED, WHOLE])
def test_processes_share_an_epoch_without_overlap(inputs: Inputs) -> None:
    order = order_samples(inputs, generator(1))
    alone = share_rows(inputs, order, 12, 0, 1)
    assert torch.equal(alone, order[:156].view(13, 12))
    shares = [share_rows(inputs, order, 12, rank, 3) for rank in range(3)]
    assert all(share.shape == (13, 4) for share in shares)
    assert torch.cat([share.flatten() for share in shares]).sort().values.tolist() == sorted(order[:156].tolist())


def test_processes_read_blocks_of_their_own() -> None:
    order = order_samples(BLOCKED, generator(1))
    first, second = (
        {*(BLOCKED.rows[share_rows(BLOCKED, order, 10, rank, 2)] // 10).flatten().tolist()} for rank in (0, 1)
    )
    assert len(first & second) <= 4  # those of the window at the border


def test_how_many_classes_are_mixed_is_what_windows_hold() -> None:
    sorted_by_class, shuffled = BLOCKED.rows // 20, torch.randint(0, 10, (160,), generator=generator(2))
    for strata in (sorted_by_class, shuffled):
        windows = [strata[order_samples(BLOCKED, generator(seed))[:30]] for seed in range(300)]
        alike = [(window[:, None] == window).double().sum() - 30 for window in windows]
        found, overall = compare_mixing(BLOCKED, strata)
        assert found == pytest.approx(float(sum(alike)) / (300 * 30 * 29), rel=0.1)
        assert overall == pytest.approx(0.1, rel=0.15)
        assert compare_mixing(WHOLE, strata) == (overall, overall)
    assert compare_mixing(BLOCKED, sorted_by_class)[0] > 0.25
    assert compare_mixing(BLOCKED.take(slice(0, 1)), strata[:1]) == (0, 0)
