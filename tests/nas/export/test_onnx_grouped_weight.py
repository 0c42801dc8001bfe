"""Codes and steps of groups are stored as they are, and onnxruntime computes with what torch computes with."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import trace
from nas.export.agreement import check_agreement
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_grouped_weight import OnnxGroupedWeight
from nas.export.onnx_model import open_session, run_session
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.quantizers import WeightQuantizer


class Tokens(nn.Module):
    """Linear layers over tokens, whose weights products of matrices read as (in, out)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 24), nn.Linear(24, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.second(self.first(tokens).relu()).mean(1)


def images() -> nn.Module:
    """Plain, grouped and transposed convolutions, with a norm of either sign, and a linear layer of single rows."""
    network = nn.Sequential(
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, groups=2), nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip
    nn.init.normal_(network[1].weight)
    return network


def make(kind: str, policy: str) -> tuple[GraphNetwork, Tensor]:
    """A calibrated network of which all layers have one policy, and inputs of it."""
    torch.manual_seed(0)
    module, inputs = (Tokens(), torch.randn(64, 7, 16)) if kind == "tokens" else (images(), torch.randn(64, 8, 9, 9))
    traced = trace(module.eval(), [inputs[:2]])
    network = compress(traced, CompressionPolicy((LayerPolicy.parse(policy),) * len(traced.graph.layers)))
    calibrate(network, [inputs])
    round_biases(network)
    return network, inputs


@pytest.mark.parametrize("policy", ["w4a32-g8", "w8a8-g8", "w3a8-g4"])
@pytest.mark.parametrize("kind", ["images", "tokens"])
def test_networks_go_through(kind: str, policy: str) -> None:
    network, inputs = make(kind, policy)
    model = traced_to_onnx(network, [inputs[:2]])
    onnx.checker.check_model(model, full_check=True)
    session = open_session(model)
    check_agreement(network, session, inputs)
    with torch.no_grad():
        expected = network(inputs).numpy()
    if policy == "w4a32-g8":
        np.testing.assert_allclose(run_session(session, inputs.numpy()), expected, rtol=1e-4, atol=1e-6)
    stored = [numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(model).graph.initializer]
    assert sum(codes.size for codes in stored if codes.dtype == np.int8) == sum(
        layer.operator.weights for layer in network.graph.layers
    )


@pytest.mark.parametrize("transposed", [False, True])
def test_what_is_stored_is_the_rounded_weight_to_the_bit(transposed: bool) -> None:
    torch.manual_seed(0)
    weight, quantizer = torch.randn(6, 8), WeightQuantizer(4, group_size=4)
    stored = OnnxGroupedWeight(weight, quantizer, torch.ones(6), transposed)
    node = onnx.helper.make_node("DequantizeLinear", ["x", "s"], ["y"], axis=1 if transposed else 2, block_size=4)
    graph = onnx.helper.make_graph(
        [node],
        "",
        [onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in (("x", 3), ("s", 1))],
        [onnx.helper.make_tensor_value_info("y", 1, None)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)])
    values = {"x": stored.get_buffer("value").numpy(), "s": stored.get_buffer("scale").numpy()}
    (found,) = ReferenceEvaluator(model).run(None, values)
    expected = quantizer(weight).T if transposed else quantizer(weight)
    assert np.array_equal(found.reshape(expected.shape), expected.numpy())
