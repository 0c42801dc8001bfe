"""What fitting layer by layer holds in memory."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
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
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
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
