"""Removed channels leave a network that runs; channels that nothing read leave no trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hardware.analytic import network_cost
from nas.compression.compress import calibrate
from nas.compression.pruning.narrow_network import narrow_network, sort_channels
from nas.compression.pruning.widths import Widths
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.export.onnx_graph_network import traced_to_onnx
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.dataflow import place_operators
from search_spaces.joint_space import JointSpace
from search_spaces.operators.weighted import Convolution, Linear
from search_spaces.policy_space import PolicySpace


class Network(nn.Module):
    """A module of some parts and a function of them and the input."""

    def __init__(self, function: Callable[..., Tensor], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)


def make_residual() -> nn.Module:
    """A shortcut that is padded with channels of zeros, an addition, and a flattening before the last layer."""

    def run(m: Network, x: Tensor) -> Tensor:
        x = F.relu(m.norm(m.stem(x)))
        y = m.b(F.relu(m.a(x)))
        x = F.relu(y + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)))
        return m.head(F.max_pool2d(x, 2).flatten(1))

    parts = {"stem": conv(3, 6), "norm": nn.BatchNorm2d(6), "a": conv(6, 8, 3, 2), "b": conv(8, 10)}
    return Network(run, **parts, head=nn.Linear(40, 4))


def make_gated() -> nn.Module:
    """An inverted residual with squeeze and excite, and a learnt scale."""

    def run(m: Network, x: Tensor) -> Tensor:
        x = m.stem(x)
        y = F.silu(m.depthwise(F.silu(m.expand(x))))
        y = y * torch.sigmoid(m.excite(F.relu(m.squeeze(y.mean((2, 3), keepdim=True)))))
        return m.head((x + m.scale * m.project(y)).mean((2, 3)))

    parts: dict[str, nn.Module | nn.Parameter] = {"stem": conv(3, 4), "expand": conv(4, 12, 1)}
    parts |= {"depthwise": conv(12, 12, 3, 1, 12), "squeeze": conv(12, 3, 1), "excite": conv(3, 12, 1)}
    parts |= {"project": conv(12, 4, 1), "scale": nn.Parameter(torch.rand(4, 1, 1)), "head": nn.Linear(4, 3)}
    return Network(run, **parts)


def make_shuffled() -> nn.Module:
    """Grouped convolutions with a shuffle of channels between them, a group norm, a split and a concatenation."""

    def run(m: Network, x: Tensor) -> Tensor:
        x = m.a(m.norm(m.stem(x)))
        x = x.view(-1, 2, 6, 8, 8).transpose(1, 2).reshape(-1, 12, 8, 8)
        left, right = F.relu(m.b(x)).chunk(2, 1)
        return m.head(torch.cat([left, m.c(right), x], 1).mean((2, 3)))

    parts = {"stem": conv(3, 8), "a": conv(8, 12, 1, 1, 2), "norm": nn.GroupNorm(4, 8), "b": conv(12, 8, 3, 1, 2)}
    return Network(run, **parts, c=conv(4, 6), head=nn.Linear(22, 3))


def make_transformer() -> nn.Module:
    """Attention with one projection for all, positions, and a hidden layer."""

    def run(m: Network, x: Tensor) -> Tensor:
        x = m.patches(x).flatten(2).transpose(1, 2) + m.positions
        q, k, v = (part.view(-1, 16, 4, 2).transpose(1, 2) for part in m.qkv(m.first(x)).chunk(3, -1))
        x = x + m.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, 16, 8))
        x = x + m.down(F.gelu(m.up(m.second(x))))
        return m.head(x.mean(1))

    parts: dict[str, nn.Module | nn.Parameter] = {"patches": nn.Conv2d(3, 8, 2, 2), "qkv": nn.Linear(8, 24)}
    parts |= {"out": nn.Linear(8, 8), "up": nn.Linear(8, 12), "down": nn.Linear(12, 8), "head": nn.Linear(8, 3)}
    parts |= {"first": nn.LayerNorm(8), "second": nn.LayerNorm(8), "positions": nn.Parameter(torch.randn(1, 16, 8))}
    return Network(run, **parts)


def make_opaque() -> nn.Module:
    """Channels that are sorted, which no rule follows, and others beside them."""

    def run(m: Network, x: Tensor) -> Tensor:
        x = F.relu(m.b(F.relu(m.a(x))))
        return m.head(m.c(x.sort(1)[0]).mean((2, 3)))

    return Network(run, a=conv(3, 5), b=conv(5, 6), c=conv(6, 4), head=nn.Linear(4, 2))


GROUPS = {
    make_residual: {"conv2d": 6, "conv2d_1": 8, "conv2d_2": 4},
    make_gated: {"conv2d": 4, "conv2d_1": 12, "conv2d_3": 3},
    make_shuffled: {"conv2d": 2, "conv2d_1": 3, "conv2d_2": 4, "conv2d_3": 6},
    make_transformer: {"linear": 4, "linear_2": 12},
    make_opaque: {"conv2d": 5, "conv2d_2": 4},
}


def traced(make: Callable[[], nn.Module]) -> TracedNetwork:
    torch.manual_seed(0)
    return trace(make().eval(), [torch.randn(2, 3, 8, 8)])


@pytest.mark.parametrize("make", GROUPS)
def test_groups_are_what_can_be_removed(make: Callable[[], nn.Module]) -> None:
    groups = CoupledChannels.from_graph(traced(make).graph).groups
    assert {group.name: group.size for group in groups} == GROUPS[make]


@pytest.mark.parametrize("make", GROUPS)
@pytest.mark.usefixtures("double_precision")
def test_any_channel_can_be_removed_and_unread_ones_are_not_missed(make: Callable[[], nn.Module]) -> None:
    network = traced(make)
    inputs, channels = torch.randn(3, 3, 8, 8), CoupledChannels.from_graph(network.graph)
    for removed in range(channels.count):
        kept = channels.keep_all()
        kept[removed] = False
        narrow = narrow_network(network, channels, kept)
        assert {name: (*tensor.shape,) for name, tensor in narrow.parameters.items()} == narrow.graph.parameter_shapes
        assert narrow.graph.macs < network.graph.macs
        unread = TracedNetwork(network.graph, {name: tensor.clone() for name, tensor in network.parameters.items()})
        silence(unread, channels, kept)
        torch.testing.assert_close(narrow.network()(inputs), unread.network()(inputs))


@pytest.mark.parametrize("make", GROUPS)
@pytest.mark.usefixtures("double_precision")
def test_sorted_channels_compute_the_same_and_the_first_are_those_that_an_importance_keeps(
    make: Callable[[], nn.Module],
) -> None:
    network = traced(make)
    inputs, channels = torch.randn(3, 3, 8, 8), CoupledChannels.from_graph(network.graph)
    importance = np.random.default_rng(0).random(channels.count)
    ordered = sort_channels(network, channels, importance)
    assert not all(torch.equal(ordered.parameters[name], one) for name, one in network.parameters.items())
    torch.testing.assert_close(ordered.network()(inputs), network.network()(inputs))
    half = [max(group.size // 2, 1) for group in channels.groups]
    first, best = (
        Widths.evenly(channels, order).keep(half) for order in (np.arange(channels.count, 0.0, -1), importance)
    )
    expected = narrow_network(network, channels, best).network()(inputs)
    torch.testing.assert_close(narrow_network(ordered, channels, first).network()(inputs), expected)


@pytest.mark.parametrize("make", GROUPS)
def test_a_space_of_widths_costs_what_the_narrow_networks_cost(make: Callable[[], nn.Module]) -> None:
    network, names = traced(make), [*ANALYTIC_COSTS]
    groups = CoupledChannels.from_graph(network.graph).groups
    widths = network.space("net", tuple(group.list_even_widths(3)[::-1] for group in groups))
    space = JointSpace(widths, PolicySpace.parse(["w32a32", "w8a8"]))
    drawn = space.sample(np.random.default_rng(0), 20)
    costs = {name: network_cost(space, name)(drawn.genes) for name in names}
    assert np.array_equal(space.encode(drawn.candidates).genes, drawn.genes)
    for row, candidate in enumerate(drawn.candidates):
        kept = widths.keep(candidate.architecture)
        narrow = network if kept is None else narrow_network(network, CoupledChannels.from_graph(network.graph), kept)
        alone = JointSpace(narrow.space("net"), space.policies)
        expected = alone.encode([replace(candidate, architecture=alone.architectures.largest())]).genes
        assert alone.layers(expected) == space.layers(drawn.genes[row : row + 1])
        assert {name: costs[name][row] for name in names} == {
            name: network_cost(alone, name)(expected)[0] for name in names
        }
        nodes = place_operators(
            widths.nodes, widths.operator_slots, widths.decode_values(drawn.genes[row, : len(widths.choices)])
        )
        assert nodes == alone.architectures.nodes


def silence(network: TracedNetwork, channels: CoupledChannels, kept: np.ndarray) -> None:
    """Sets the weights by which removed channels are read to 0, wherever they are multiplied and summed."""
    elements = channels.tensor_elements(kept)
    for node in network.graph.nodes:
        if isinstance(node.operator, Convolution | Linear):
            read = torch.from_numpy(elements[node.parameters[0]][1])
            network.parameters[node.parameters[0]].detach()[:, ~read] = 0


@pytest.mark.parametrize("make", [make_residual, make_transformer])
def test_a_narrow_network_is_compressed_and_exported_like_any_other(make: Callable[[], nn.Module]) -> None:
    network = traced(make)
    channels = CoupledChannels.from_graph(network.graph)
    kept = channels.keep_all()
    for group in channels.groups:
        kept[group.channels][::2] = False
    narrow = narrow_network(network, channels, kept)
    inputs = torch.randn(4, 3, 8, 8)
    again = trace(Network(lambda m, x: m.inner(x), inner=narrow.network()), [inputs])
    assert again.graph.macs == narrow.graph.macs
    plain = compress(narrow, CompressionPolicy((LayerPolicy(),) * len(narrow.graph.layers)))
    session = onnxruntime.InferenceSession(traced_to_onnx(plain, [inputs]))
    (found,) = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})
    np.testing.assert_allclose(found, narrow.network()(inputs).detach().numpy(), rtol=1e-4, atol=1e-5)
    eight = compress(narrow, CompressionPolicy((LayerPolicy.parse("w8a8"),) * len(narrow.graph.layers)))
    calibrate(eight, [inputs])
    assert onnxruntime.InferenceSession(traced_to_onnx(eight, [inputs]))


def test_channels_of_another_network_and_empty_groups_are_refused() -> None:
    network, other = traced(make_residual), traced(make_opaque)
    channels = CoupledChannels.from_graph(network.graph)
    with pytest.raises(ValueError, match="these are of another one"):
        narrow_network(other, channels, channels.keep_all())
    kept = channels.keep_all()
    kept[channels.groups[1].channels] = False
    with pytest.raises(ValueError, match=r"of each of 3 groups one or more of 18 channels must be kept, .* 10 kept"):
        narrow_network(network, channels, kept)
