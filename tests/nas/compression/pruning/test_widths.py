"""Widths by hand, their costs against counted ones, and what is chosen without damages."""

from __future__ import annotations

import numpy as np
import pytest

from nas.compression.pruning.baselines import keep_most_important, keep_uniformly
from nas.compression.pruning.width_costs import budget_macs, budget_parameters
from nas.compression.pruning.widths import Widths
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.arrangement import GlobalPool, Pad
from search_spaces.operators.pointwise import BatchNorm
from search_spaces.operators.products import Add, Attention
from search_spaces.operators.weighted import Convolution, Linear


def node(name: str, operator: Convolution | Linear | BatchNorm, read: str) -> Node:
    return Node(name, operator, (read,), tuple(f"{name}.{role}" for role in operator.parameter_shapes))


@pytest.fixture
def channels() -> CoupledChannels:
    """A shortcut that is padded, a depthwise convolution, and an attention over channels as heads."""
    nodes = (
        node("first", Convolution.square(3, 4, 3), "x"),
        node("norm", BatchNorm(4), "first"),
        node("second", Convolution.square(4, 8, 3, 1, 1, True), "norm"),
        node("depthwise", Convolution.square(8, 8, 3, 1, 8), "second"),
        Node("padded", Pad(((2, 2), (0, 0), (0, 0))), ("norm",)),
        Node("sum", Add(), ("depthwise", "padded")),
        Node("attention", Attention(), ("sum", "sum", "sum")),
        Node("pooled", GlobalPool(), ("attention",)),
        node("head", Linear(8, 2, True), "pooled"),
    )
    return CoupledChannels.from_graph(NetworkGraph((("x", (3, 4, 4)),), nodes, ("head",)))


def test_widths_fall_in_equal_parts_and_keep_the_most_important(channels: CoupledChannels) -> None:
    widths = Widths.evenly(channels, np.array([1.0, 4, 2, 3, 0, 0, 9, 1]), 3)
    assert widths.choices == ((4, 3, 2), (4, 3, 2))
    assert widths.keep([2, 1]).nonzero()[0].tolist() == [1, 3, 6]
    assert Widths.evenly(channels, np.ones(8)).choices == ((4, 3, 2, 1),) * 2
    assert Widths.evenly(channels, np.ones(8), 8, multiple=3).choices == ((4, 3),) * 2
    assert widths.keep_chosen([0, 2]).tolist() == [True] * 4 + [False, False, True, True]


def test_costs_are_those_of_the_narrow_network(channels: CoupledChannels) -> None:
    widths = Widths.evenly(channels, np.arange(8.0))
    macs, parameters = budget_macs(widths, 1.0), budget_parameters(widths, 1.0)
    for chosen in np.ndindex(4, 4):
        narrow = channels.narrow(widths.keep_chosen(chosen))
        assert macs.spend(chosen) == narrow.macs
        assert parameters.spend(chosen) == sum(int(np.prod(shape)) for shape in narrow.parameter_shapes.values())


def test_baselines_keep_as_much_as_fits(channels: CoupledChannels) -> None:
    widths = Widths.evenly(channels, np.arange(8.0))
    most = channels.narrow(widths.keep([3, 3])).macs
    uniform = keep_uniformly(widths, most)
    assert [uniform[group.channels].sum() for group in channels.groups] == [3, 3]
    best = keep_most_important(widths, np.array([9.0, 8, 7, 6, 1, 2, 3, 4]), most)
    assert best.nonzero()[0].tolist() == [0, 1, 2, 7]
    wider = best | (np.arange(8) == 3)
    assert channels.narrow(best).macs <= most < channels.narrow(wider).macs
    with pytest.raises(ValueError, match=r"the narrowest network takes .* operations, more than 10; allow more"):
        keep_uniformly(widths, 10)


def test_odd_widths_are_refused(channels: CoupledChannels) -> None:
    with pytest.raises(ValueError, match="must fall from 4, all of its channels, to one or more"):
        Widths(channels, ((4, 2), (2, 1)), np.zeros(8))
    with pytest.raises(ValueError, match="each of 8 channels needs an importance"):
        Widths.evenly(channels, np.full(8, np.nan))
    with pytest.raises(ValueError, match="a group needs one or more widths, of multiples from 1, got 0 of 1"):
        Widths.evenly(channels, np.ones(8), 0)
