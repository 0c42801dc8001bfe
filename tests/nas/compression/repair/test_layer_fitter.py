"""What fitting layer by layer holds in memory, and which zeros it leaves alone."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.repair.batched_walk import run_batches
from nas.compression.repair.layer_fitter import LayerFitter
from nas.compression.repair.recipe import LIGHT
from nas.compression.repair.references import record_references
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import FULL_PRECISION_BITS, CompressionPolicy, LayerPolicy
from search_spaces.network_graph import Node


class Chain(nn.Module):
    """Residual blocks of one convolution."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = F.relu(x + block(x))
        return x


@torch.no_grad()
def test_values_are_dropped_once_no_layer_needs_them() -> None:
    """Two values are alive at most: the two terms of a sum."""
    data = CalibrationData(torch.randn(8, 4, 6, 6), batch=8)
    traced = trace(Chain(6).eval(), [data.inputs[:1]])
    network = compress(traced, CompressionPolicy((LayerPolicy.parse("w4a32"),) * 6))
    layers = {layer.units[0].call.name: (layer.units[0], 4) for layer in traced.graph.layers}
    fitter = LayerFitter(network, layers, record_references(traced, data, rows=100), LIGHT)
    seen: list[weakref.ref[Tensor]] = []
    alive = []

    def before(node: Node, inputs: Sequence[Sequence[Any]]) -> None:
        fitter.fit(node, inputs)
        alive.append(sum(one() is not None for one in seen))

    def after(name: str, values: Sequence[Any]) -> None:
        fitter.see(name, values)
        seen.extend(weakref.ref(value) for value in values)

    run_batches(network, [*data], before, after)
    assert len(seen) == 1 + 3 * 6
    assert max(alive) <= 2 + 1  # the batch is the caller's


@torch.no_grad()
def fit_second(value: float, sparse: Collection[str]) -> Tensor:
    """The weight of a second layer, some of which has a value, after the first has lost most of its bits."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 6)).eval()
    net[2].weight[:, 1:4] = value
    data = CalibrationData(torch.randn(64, 8), batch=64)
    traced = trace(net, [data.inputs[:1]])
    network = compress(traced, CompressionPolicy((LayerPolicy.parse("w2a32"), LayerPolicy())))
    bits = zip(traced.graph.layers, (2, FULL_PRECISION_BITS), strict=True)
    layers = {layer.units[0].call.name: (layer.units[0], rounded) for layer, rounded in bits}
    fitter = LayerFitter(network, layers, record_references(traced, data, rows=64), LIGHT, sparse)
    run_batches(network, [*data], fitter.fit, fitter.see)
    return network.tensor("2.weight").detach()


def test_zeros_of_a_dense_layer_are_values_like_any_other() -> None:
    """They are what a trained network, or chance, has there; only the zeros of sparse layers stay."""
    dense, sparse = fit_second(0.0, ()), fit_second(0.0, ["2.weight"])
    assert torch.allclose(dense, fit_second(1e-9, ()), rtol=1e-4, atol=1e-6)
    assert float(dense[:, 1:4].abs().max()) > 1e-3
    assert not sparse[:, 1:4].any()
