"""Blocks that do nothing are left out first, and allocations of blocks are those of all combinations."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.frontier_allocator import FrontierAllocator
from nas.compression.allocation.milp import MilpAllocator
from nas.compression.calibration_data import CalibrationData
from nas.compression.pruning.baselines import keep_evenly
from nas.compression.pruning.block_allocation import BlockDamage, budget_blocks, select_blocks
from nas.compression.pruning.narrow_network import remove_blocks
from nas.compression.pruning.pruner import Pruner
from nas.compression.repair.recipe import LIGHT
from nas.compression.sensitivity.degradation import LossRise
from nas.compression.sensitivity.macro_influence import CosineDistance
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import LayerPolicy
from search_spaces.removable_blocks import RemovableBlocks


class Blocks(nn.Module):
    """A stem, four blocks of several sizes, and a linear layer; block 2 is there twice, so its copy 3 does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 6)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(6, n), nn.ReLU(), nn.Linear(n, 6)) for n in (4, 8, 12, 12))
        self.head = nn.Linear(6, 5)
        with torch.no_grad():
            for parameter in self.blocks[3][2].parameters():
                parameter.zero_()

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        for block in self.blocks:
            x = F.relu(x + block(x))
        logits: Tensor = self.head(x)
        return logits


@pytest.fixture
def subject() -> CompressionSubject:
    torch.manual_seed(0)
    network, inputs = Blocks().eval(), torch.randn(64, 3)
    return CompressionSubject.uniform_choices(trace(network, [inputs[:2]]), [LayerPolicy()], CalibrationData(inputs))


def test_a_block_that_does_nothing_is_left_out_first(subject: CompressionSubject) -> None:
    blocks = RemovableBlocks.from_graph(subject.traced.graph)
    assert blocks.names == ("blocks.0", "blocks.1", "blocks.2", "blocks.3")
    for metric in (BlockDamage(), BlockDamage(CosineDistance())):
        damage = [float(table[1]) for table in metric.measure(subject, blocks)]
        assert damage[3] == pytest.approx(0, abs=1e-12)
        assert min(damage[:3]) > 1e-6
    whole = subject.traced.graph.macs
    problem = AllocationProblem(BlockDamage().measure(subject, blocks), (budget_blocks(blocks, "macs", whole - 1),))
    assert select_blocks(blocks, MilpAllocator().allocate(problem)) == ("blocks.3",)
    with pytest.raises(ValueError, match="needs labels"):
        BlockDamage(LossRise()).measure(subject, blocks)


@pytest.mark.parametrize("cost", ["macs", "parameters"])
def test_an_allocation_is_the_best_of_all_combinations(subject: CompressionSubject, cost: str) -> None:
    traced = subject.traced
    blocks = RemovableBlocks.from_graph(traced.graph)
    damage, rows = BlockDamage().measure(subject, blocks), [*product((0, 1), repeat=4)]
    spent, free = {}, budget_blocks(blocks, cost, np.inf)
    for row in rows:
        left = remove_blocks(traced, blocks, select_blocks(blocks, row))
        elements = sum(prod(tensor.shape) for tensor in left.parameters.values())
        spent[row] = left.graph.macs if cost == "macs" else elements
        assert free.spend(row) == spent[row]
    for share in (0.2, 0.4, 0.6, 0.8, 1.0):
        budget = budget_blocks(blocks, cost, min(spent.values()) + share * (max(spent.values()) - min(spent.values())))
        best = min(sum(t[one] for t, one in zip(damage, row, strict=True)) for row in rows if spent[row] <= budget.most)
        problem = AllocationProblem(damage, (budget,))
        for allocator in (MilpAllocator(), FrontierAllocator()):
            assert problem.damage_of(allocator.allocate(problem)) == pytest.approx(best, abs=1e-12)
    with pytest.raises(ValueError, match="a budget of blocks is one of macs or parameters, got 'bops'"):
        budget_blocks(blocks, "bops", 1.0)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ([2, 0, 0, 0], "must be 0, which keeps it, or 1, which leaves it out, got 2"),
        ([1, 0, -1, 0], "got -1"),
        ([float("nan"), 0, 0, 0], "got nan"),
        ([1, 0, 0], "one value for each of 4, got 3; give 0"),
    ],
)
def test_what_is_no_allocation_is_refused(subject: CompressionSubject, chosen: list[int], message: str) -> None:
    blocks = RemovableBlocks.from_graph(subject.traced.graph)
    with pytest.raises(ValueError, match=message):
        select_blocks(blocks, chosen)
    with pytest.raises(ValueError, match=message):
        BlockDamage().judge_allocations(subject, blocks)(chosen)


def test_a_network_without_blocks_is_refused_by_what_it_lacks(subject: CompressionSubject) -> None:
    none = replace(RemovableBlocks.from_graph(subject.traced.graph), blocks=(), needed_by={})
    with pytest.raises(ValueError, match=r"leaves out blocks between values of one shape .* and the network has none"):
        BlockDamage().measure(subject, none)
    with pytest.raises(ValueError, match="and the network has none; allocate the policies of its layers"):
        budget_blocks(none, "macs", 1.0)


@torch.no_grad()
def test_what_is_left_is_fitted_to_the_whole_network(subject: CompressionSubject) -> None:
    traced, inputs = subject.traced, subject.need_data().inputs
    blocks, channels = RemovableBlocks.from_graph(traced.graph), CoupledChannels.from_graph(traced.graph)
    left = remove_blocks(traced, blocks, ["blocks.0", "blocks.3"])
    assert [layer.name for layer in left.graph.layers] == [
        name for name in (layer.name for layer in traced.graph.layers) if "blocks.0" not in name and "s.3" not in name
    ]
    assert set(left.parameters) == set(left.graph.parameter_shapes)
    before = {name: tensor.clone() for name, tensor in traced.parameters.items()}
    fitted = Pruner(subject, channels).prune(channels.keep_all(), removed=["blocks.0", "blocks.3"])
    expected = traced.network()(inputs)
    errors = [float((one.network()(inputs) - expected).square().mean()) for one in (left, fitted)]
    assert errors[1] < 0.5 * errors[0]
    assert all(torch.equal(traced.parameters[name], tensor) for name, tensor in before.items())
    alone = [BlockDamage(recipe=recipe).judge_allocations(subject, blocks) for recipe in (None, LIGHT)]
    assert [judge([1, 0, 0, 1]) for judge in alone] == pytest.approx(errors, rel=1e-4)
    with pytest.raises(ValueError, match="this needs calibration data"):
        BlockDamage().measure(replace(subject, data=None), blocks)


def test_evenly_spread_blocks_are_those_of_the_publication() -> None:
    assert keep_evenly(12, 8) == (0, 2, 3, 5, 6, 8, 9, 11)
    assert keep_evenly(30, 6) == (0, 6, 12, 17, 23, 29)
    for count in range(1, 40):
        assert keep_evenly(count, count) == tuple(range(count))
        for kept in range(2, count):
            found = keep_evenly(count, kept)
            assert (len(set(found)), found[0], found[-1]) == (kept, 0, count - 1)
            assert np.ptp(np.diff(found)) <= 1
    assert (keep_evenly(7, 1), keep_evenly(7, 0)) == ((0,), ())
    with pytest.raises(ValueError, match="from 0 to 3 of 3 blocks can be kept, got 4"):
        keep_evenly(3, 4)
