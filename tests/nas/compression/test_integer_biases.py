"""Biases on the grids of their layers: networks compute in torch what devices compute in integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import trace
from nas.export.agreement import compute_reference
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session, run_session
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork


class Depthwise(nn.Module):
    """Convolutions of few products each, whose biases are coarse: one is called several times, one reads maxima."""

    def __init__(self, affine: bool, calls: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.calls = calls
        self.first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16, affine=affine)
        self.shared = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.norm.running_mean = 0.3 * torch.randn(16)
        self.norm.running_var = 0.5 + torch.rand(16)

    def forward(self, images: Tensor) -> Tensor:
        x = self.norm(self.first(images)).relu()
        for _ in range(self.calls):
            x = self.shared(x).relu()
        return self.last(self.pool(x)).flatten(1)


def compressed(policy: str, affine: bool = True, calls: int = 2) -> tuple[GraphNetwork, Tensor]:
    """The calibrated network, all of whose layers have one policy, and its inputs."""
    images = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    traced = trace(Depthwise(affine, calls).eval(), [images[:2]])
    network = compress(traced, CompressionPolicy((LayerPolicy.parse(policy),) * len(traced.graph.layers)))
    calibrate(network, [images])
    return network, images


def list_biases(model: bytes) -> list[Tensor]:
    """What is stored in 32-bit integers."""
    tensors = map(numpy_helper.to_array, onnx.load_from_string(model).graph.initializer)
    return [torch.from_numpy(one.copy()) for one in tensors if one.dtype == "int32"]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("policy", ["w8a8", "w3a8", "w4a4"])
def test_kernels_in_integers_compute_what_torch_does(
    policy: str, affine: bool, optimised: Callable[[bytes], onnx.GraphProto]
) -> None:
    network, images = compressed(policy, affine)
    before = network(images)
    round_biases(network)
    changed = (network(images) - before).abs().detach()
    assert 0 < changed.mean() < 0.01 * before.std()
    model = traced_to_onnx(network, [images[:2]])
    agreement = compute_reference(network, images).compare(run_session(open_session(model), images.numpy()), exact=True)
    assert not agreement.fault
    operators = [node.op_type for node in optimised(model).node]
    assert operators.count("QLinearConv") == 4
    assert "Conv" not in operators
    assert len(list_biases(model)) == 2  # the shared one lies on the grids of neither call


def test_biases_in_floating_point_are_rounded_by_the_runtime_after_all() -> None:
    network, images = compressed("w3a8", calls=1)
    flipped = []
    for rounded in (False, True):
        if rounded:
            round_biases(network)
        model = traced_to_onnx(network, [images[:2]])
        assert bool(list_biases(model)) == rounded
        found, expected = run_session(open_session(model), images.numpy()), network(images).detach().numpy()
        flipped.append((np.abs(found - expected) > 1e-6).mean())
    assert flipped[0] > 5e-3
    assert flipped[1] < 0.1 * flipped[0]


@pytest.mark.parametrize("policy", ["w32a32", "w8a32", "w32a8"])
def test_layers_in_floating_point_keep_their_biases(policy: str) -> None:
    network, images = compressed(policy)
    before = network(images)
    round_biases(network)
    assert torch.equal(network(images), before)


def test_rounding_again_changes_nothing() -> None:
    network, images = compressed("w4a8")
    round_biases(network)
    before = network(images)
    round_biases(network)
    torch.testing.assert_close(network(images), before, rtol=1e-5, atol=1e-6)
