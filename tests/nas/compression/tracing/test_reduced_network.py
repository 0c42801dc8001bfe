"""Layers of low rank run as two layers, and zeros are zeros, wherever a weight is called."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas.compression.tracing.reduced_network import join_weights, name_sum, reduce_network, reduce_weight
from nas.compression.tracing.trace import TracedNetwork, trace
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

FLOAT = "w32a32"


class Net(nn.Module):
    """A convolution with a norm, a linear layer that is called twice, a transposed and a depthwise convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(4, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.depthwise, self.up = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ConvTranspose2d(8, 8, 2)
        self.mix = nn.Linear(8, 8)

    def forward(self, images: Tensor) -> Tensor:
        x = self.up(self.depthwise(self.norm(self.stem(images)).relu())).mean((2, 3))
        return self.mix(self.mix(x).relu())


@pytest.fixture(scope="module")
def traced() -> TracedNetwork:
    torch.manual_seed(0)
    return trace(Net().eval(), [torch.zeros(2, 4, 8, 8)])


def policy(*entries: str) -> CompressionPolicy:
    return CompressionPolicy(tuple(map(LayerPolicy.parse, entries)))


def test_the_product_of_the_factors_is_what_runs(traced: TracedNetwork) -> None:
    chosen = policy("w32a32-rank0.6", FLOAT, FLOAT, "w32a32-rank0.75")
    reduced, entries = reduce_network(traced, chosen)
    assert len(entries) == len(reduced.graph.layers) == 6
    assert all(entry == LayerPolicy() for entry in entries)
    assert [len(layer.units) for layer in reduced.graph.layers] == [1, 1, 1, 1, 2, 2]
    assert reduced.graph.macs < traced.graph.macs
    plain = dict(traced.parameters)
    for layer, entry in zip(traced.graph.layers, chosen.layers, strict=True):
        plain[layer.weight] = join_weights(reduce_weight(plain[layer.weight], layer, entry)).detach()
    images = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = TracedNetwork(traced.graph, plain).network()(images)
    torch.testing.assert_close(reduced.network()(images), expected)
    assert not torch.allclose(expected, traced.network()(images))


def test_zeros_are_those_of_each_factor_and_of_stored_layouts(traced: TracedNetwork) -> None:
    reduced, _ = reduce_network(traced, policy("w32a32-rank0.6-sparse0.5", FLOAT, "w32a32-sparse0.5", "w32a32-2:4"))
    shares = [float((reduced.parameters[layer.weight] == 0).double().mean()) for layer in reduced.graph.layers]
    assert shares == pytest.approx([0.5, 0.5, 0.0, 0.5, 0.5], abs=0.02)
    assert reduced.parameters["up.weight"].shape == traced.parameters["up.weight"].shape
    assert (traced.parameters["up.weight"] != 0).all()


def test_what_is_left_alone_is_shared(traced: TracedNetwork) -> None:
    reduced, entries = reduce_network(traced, policy("w8a8", FLOAT, FLOAT, "w4a8-rank0.75"))
    assert entries == policy("w8a8", FLOAT, FLOAT, "w4a8", "w4a8").layers
    assert reduced.parameters["stem.weight"] is traced.parameters["stem.weight"]
    assert "mix.weight" not in reduced.graph.parameter_shapes


def test_a_sum_with_both_factors_takes_the_place_of_a_corrected_layer(traced: TracedNetwork) -> None:
    reduced, entries = reduce_network(traced, policy(FLOAT, FLOAT, FLOAT, "w2a8-correct0.75"))
    assert entries[3:] == policy("w2a8", "w8a8", "w8a8").layers
    assert [len(layer.units) for layer in reduced.graph.layers] == [1, 1, 1, 2, 2, 2]
    assert reduced.parameters["mix.weight"] is traced.parameters["mix.weight"]
    assert reduced.graph.outputs == tuple(map(name_sum, traced.graph.outputs))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ((FLOAT, "w8a8-rank0.5", FLOAT, FLOAT), "grouped or transposed"),
        ((FLOAT, FLOAT, "w8a8-rank0.5", FLOAT), "grouped or transposed"),
        ((FLOAT, "w2a8-correct0.5", FLOAT, FLOAT), "grouped or transposed"),
        (("w3a8-g3-correct0.5", FLOAT, FLOAT, FLOAT), "groups of 3 need a multiple of as many input channels, got 4"),
        ((FLOAT, "w8a8-2:4", FLOAT, FLOAT), "a multiple of 4 input channels, got 1"),
        ((FLOAT,), r"one entry per layer \(4\), got 1"),
    ],
)
def test_what_a_layer_cannot_take_is_refused(traced: TracedNetwork, entries: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reduce_network(traced, policy(*entries))
