"""Given networks of every kind are traced, compressed and exported, and compute the same in onnxruntime."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

from nas.compression.compress import calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.observers.min_max_range import MinMaxRange
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import trace
from nas.export.agreement import ExportMismatch, check_agreement
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session, run_session
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

Optimised = Callable[[bytes], onnx.GraphProto]
ONE_STEP = 1.01  # of the 255 between the least and the largest output; a step itself is not exact in floating point


class ConstantBranch(nn.Module):
    """A branch that is the same for all inputs, with a layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.table, self.mix, self.head = nn.Parameter(torch.randn(4, 8)), nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        offset = self.mix(self.table[torch.arange(3)]).mean(0)
        features = F.relu(self.norm(self.stem(images))) + offset[:, None, None]
        return self.head(features.mean((2, 3)))


class CalledTwice(nn.Module):
    """A layer with two call sites, and a ReLU in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mix = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        once = F.hardswish(self.mix(self.stem(images).relu_()))
        return self.head(F.adaptive_avg_pool2d(F.relu(self.mix(once)) + once, 1).flatten(1))


class Tied(nn.Module):
    """An embedding whose table is the weight of the head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.norm = nn.Embedding(20, 16), nn.Linear(16, 16), nn.LayerNorm(16)
        self.head = nn.Linear(16, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, numbers: Tensor) -> Tensor:
        x = self.embed(numbers)
        return self.head(self.norm(x + F.gelu(self.mix(x))))


class OneAxis(nn.Module):
    """Convolutions of one axis: strided, grouped and dilated with a norm, and transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv1d(2, 8, 5, 2), nn.BatchNorm1d(8)
        self.second = nn.Conv1d(8, 8, 3, padding="same", groups=4, dilation=2)
        self.up, self.head = nn.ConvTranspose1d(8, 6, 4, 2, 1, groups=2), nn.Linear(6, 3)

    def forward(self, waves: Tensor) -> Tensor:
        x = F.max_pool1d(F.relu(self.norm(self.second(F.relu(self.first(waves))))), 2)
        return self.head(F.leaky_relu(self.up(x)).mean(-1))


class Attentive(nn.Module):
    """A vision transformer of one block."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.token = nn.Conv2d(3, 16, 4, 4), nn.Parameter(torch.randn(1, 1, 16))
        self.place, self.before = nn.Parameter(0.1 * torch.randn(1, 17, 16)), nn.LayerNorm(16)
        self.qkv, self.out, self.between = nn.Linear(16, 48), nn.Linear(16, 16), nn.LayerNorm(16)
        self.up, self.down, self.head = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        batch, count, width = x.shape[0], x.shape[1] + 1, x.shape[2]
        x = torch.cat([self.token.expand(batch, -1, -1), x], 1) + self.place
        q, k, v = self.qkv(self.before(x)).reshape(batch, count, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, count, width))
        x = x + self.down(F.gelu(self.up(self.between(x))))
        return self.head(x.mean(1))


IMAGES = (3, 16, 16)
INPUT_SHAPES: dict[type[nn.Module], tuple[int, ...]] = {
    ConstantBranch: IMAGES,
    CalledTwice: IMAGES,
    Tied: (7,),
    OneAxis: (2, 40),
    Attentive: IMAGES,
}


def inputs_of(kind: type[nn.Module]) -> Tensor:
    generator, shape = torch.Generator().manual_seed(1), INPUT_SHAPES[kind]
    if kind is Tied:
        return torch.randint(0, 20, (256, *shape), generator=generator)
    return torch.randn(256, *shape, generator=generator)


def made(kind: type[nn.Module]) -> nn.Module:
    """A network whose statistics and norms, of either sign, are far from their initial values."""
    torch.manual_seed(0)
    module = kind().eval()
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (norm.running_mean, norm.weight.data, norm.bias.data):
                tensor.normal_()
            norm.running_var.uniform_(0.5, 2)
    return module


def compressed(module: nn.Module, inputs: Tensor, *policies: str) -> GraphNetwork:
    """The calibrated network, whose layers take the policies in turn."""
    traced = trace(module, [inputs[:2]])
    policy = tuple(map(LayerPolicy.parse, islice(cycle(policies), len(traced.graph.layers))))
    network = compress(traced, CompressionPolicy(policy))
    calibrate(network, [inputs], MinMaxRange())
    round_biases(network)
    return network


@dataclass(frozen=True)
class Exported:
    """A network as it was given, compressed and exported, and inputs to run it on; not to be changed."""

    module: nn.Module
    network: GraphNetwork
    model: bytes
    inputs: Tensor


Exporting = Callable[..., Exported]


@pytest.fixture(scope="module")
def exported() -> Exporting:
    """Makes a network whose layers take the given policies in turn, each once for all tests."""

    @cache
    def export(kind: type[nn.Module], *policies: str) -> Exported:
        module, inputs = made(kind), inputs_of(kind)
        network = compressed(module, inputs, *policies)
        return Exported(module, network, traced_to_onnx(network, [inputs[:2]]), inputs)

    return export


@pytest.mark.parametrize("policy", ["w32a32", "w8a8", "w4a8"])
@pytest.mark.parametrize("kind", INPUT_SHAPES)
def test_given_networks_go_through(exported: Exporting, kind: type[nn.Module], policy: str) -> None:
    given = exported(kind, policy)
    module, network, inputs, session = given.module, given.network, given.inputs, open_session(given.model)
    check_agreement(network, session, inputs)
    onnx.checker.check_model(given.model, full_check=True)
    graph = onnx.load_from_string(given.model).graph
    assert {tensor.name for tensor in graph.initializer} <= {name for node in graph.node for name in node.input}
    with torch.no_grad():
        expected, plain = network(inputs).numpy(), module(inputs).numpy()
    found, reach = run_session(session, inputs.numpy()), np.ptp(expected)
    if policy == "w32a32":
        assert np.abs(found - plain).max() < 1e-4 * np.abs(plain).max()
        return
    assert (np.abs(found - expected) <= ONE_STEP * reach / 255).mean() >= 0.999
    assert 0 < np.abs(expected - plain).mean() < 0.1 * reach
    one = run_session(session, inputs[:1].numpy())
    assert np.abs(one - expected[:1]).max() <= ONE_STEP * reach / 255


@pytest.mark.parametrize(
    ("kind", "integer"),
    [
        (CalledTwice, {"QLinearConv": 3, "QGemm": 1}),
        (OneAxis, {"QLinearConv": 2, "QGemm": 1}),
        (Attentive, {"QLinearConv": 1, "MatMulIntegerToFloat": 4, "QGemm": 1}),
    ],
)
def test_layers_at_8_bits_are_integer_ones(
    exported: Exporting, kind: type[nn.Module], integer: dict[str, int], optimised: Optimised
) -> None:
    graph = optimised(exported(kind, "w8a8").model)
    kernels = Counter(node.op_type for node in graph.node)
    assert {name: kernels[name] for name in integer} == integer
    assert not kernels["BatchNormalization"] + kernels["Conv"] + kernels["Gemm"]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "QLinearConv":
            _, _, input_zero, weight, weight_scale, _, _, output_zero, *_ = (constants.get(name) for name in node.input)
            assert input_zero.dtype == output_zero.dtype == np.uint8
            assert weight.dtype == np.uint8  # signed codes of 8 bits overflow where there is no VNNI
            assert weight_scale.shape == (len(weight),)


@pytest.mark.parametrize("first", [0, 1])
def test_floating_point_layers_between_integer_ones_stay_floating_point(
    exported: Exporting, first: int, optimised: Optimised
) -> None:
    found = exported(Attentive, *(["w8a8", "w32a32"] * 2)[first : first + 2])
    check_agreement(found.network, open_session(found.model), found.inputs)
    kernels = Counter(node.op_type for node in optimised(found.model).node)
    # of six layers the first is a convolution and the last multiplies single rows; attention has two products besides
    assert (kernels["QLinearConv"], kernels["Conv"]) == ((1, 0), (0, 1))[first]
    assert (kernels["QGemm"], kernels["Gemm"]) == ((0, 1), (1, 0))[first]
    assert (kernels["MatMulIntegerToFloat"], kernels["MatMul"] + kernels["FusedMatMul"]) == (2, 4)


def test_an_embedding_is_stored_in_codes(exported: Exporting) -> None:
    model = onnx.load_from_string(exported(Tied, "w8a8").model)
    stored = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    assert [codes.shape for codes in stored if codes.dtype == np.int8 and codes.ndim == 2].count((20, 16)) == 1
    assert not [values for values in stored if values.dtype == np.float32 and values.size >= 16 * 16]


def test_a_wrong_export_is_caught(exported: Exporting) -> None:
    found = exported(CalledTwice, "w8a8")
    network = copy.deepcopy(found.network)
    with torch.no_grad():
        network.tensor("mix.weight").mul_(-1)
    with pytest.raises(ExportMismatch, match=r"onnxruntime must agree with torch within .* got"):
        check_agreement(network, open_session(found.model), found.inputs)


def test_uncalibrated_networks_are_refused() -> None:
    inputs = inputs_of(CalledTwice)
    traced = trace(made(CalledTwice), [inputs[:2]])
    network = compress(traced, CompressionPolicy((LayerPolicy.quantized(8, 8),) * len(traced.graph.layers)))
    with pytest.raises(ValueError, match=r"the activations of .* must be calibrated before export"):
        traced_to_onnx(network, [inputs[:2]])
