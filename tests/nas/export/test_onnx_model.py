"""Exported networks compute in onnxruntime, fully optimised, what they compute in torch."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle, islice, product
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from nas.compression.compress import apply_policy, calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.observers.percentile import Percentile
from nas.data.sources import load_images
from nas.export import onnx_model
from nas.export.agreement import check_agreement
from nas.export.onnx_layer import OnnxLayer
from nas.export.onnx_model import open_session, run_session, save_onnx, to_onnx
from nas.export.target import ExportTarget
from nas.training.recalibration import recalibrate_batch_norm
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution
from search_spaces.presets import create_space

MIXED = ("w8a8", "w32a32", "w4a8")
Optimised = Callable[[bytes], onnx.GraphProto]
MEAN_ERROR = {"w32a32": 1e-5, "w8a8": 1e-4, "w4a4": 1e-4}  # of the range of the logits, by the first layer's policy


@dataclass(frozen=True)
class Exported:
    """An exported network with images to run it on."""

    layers: tuple[LayerSpec, ...]
    policies: tuple[LayerPolicy, ...]
    network: nn.Module
    model: bytes
    images: Tensor


@pytest.fixture(scope="module", params=["mobilenet_v3_digits", "resnet_digits"])
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(
    scope="module", params=[("w32a32",), ("w8a8",), MIXED, ("w4a4",)], ids=["fp32", "w8a8", "mixed", "w4a4"]
)
def exported(request: pytest.FixtureRequest, family: str) -> Exported:
    """A small subnet, calibrated on the digits, whose layers take the given policies in turn."""
    data = load_images("digits")
    net = build_supernet(create_space(family, 1, 10), seed=0)
    architecture = JointSpace(net.space).smallest().architecture
    layers = net.space.layers(architecture)
    policies = tuple(islice(cycle(map(LayerPolicy.parse, request.param)), len(layers)))
    images = data.normalization.inputs(data.train.images[:256], architecture.resolution)
    plain = net.extract(architecture)
    recalibrate_batch_norm(plain, [images])
    network = apply_policy(plain, layers, CompressionPolicy(policies))
    calibrate(network, [images], Percentile(99.99))
    round_biases(network)
    before = copy.deepcopy(network)
    model = to_onnx(network, (1, architecture.resolution, architecture.resolution))
    assert torch.equal(network(images[:4]), before(images[:4]))  # the network itself stays as it is
    return Exported(layers, policies, network, model, images[:64])


def test_the_optimised_session_agrees_with_torch(exported: Exported, optimised: Optimised) -> None:
    session = open_session(exported.model)
    check_agreement(exported.network, session, exported.images)
    with torch.no_grad():
        expected = exported.network(exported.images).numpy()
    found = run_session(session, exported.images.numpy())
    error = np.abs(found - expected) / np.ptp(expected)
    bound = MEAN_ERROR[str(exported.policies[0])]
    assert error.mean() < bound
    if set(exported.policies) == {LayerPolicy()}:
        assert error.max() < 1e-4
    one_by_one = [run_session(session, exported.images[row : row + 1].numpy()) for row in range(3)]
    # products of another shape may round otherwise, and flip a code
    assert np.abs(np.concatenate(one_by_one) - found[:3]).mean() < bound * np.ptp(expected)

    graph = optimised(exported.model)
    kernels = Counter(node.op_type for node in graph.node)
    integer = [policy != LayerPolicy() for policy in exported.policies]
    convolutions = [isinstance(layer.operator, Convolution) for layer in exported.layers]
    expected_kernels = sum(quantised and conv for quantised, conv in zip(integer, convolutions, strict=True))
    assert kernels["QLinearConv"] == expected_kernels  # every quantised convolution, and none in floating point
    assert kernels["Conv"] + kernels["FusedConv"] == sum(convolutions) - expected_kernels
    assert kernels["QGemm"] == integer[-1]
    assert kernels["GlobalAveragePool"] + kernels["QLinearGlobalAveragePool"] >= 1
    assert (
        not {"ReduceMean", "Clip"} & kernels.keys() or LayerPolicy.quantized(4, 4) in exported.policies
    )  # which is clipped
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "QLinearConv":
            _, _, input_zero, weight, weight_scale, _, _, output_zero, *_ = (constants.get(name) for name in node.input)
            assert input_zero.dtype == output_zero.dtype == np.uint8
            assert weight.dtype == np.uint8 or np.abs(weight.astype(int)).max() <= 64  # whose products fit into 16 bits
            assert weight_scale.shape == (len(weight),)


class Chain(nn.Module):
    """Convolutions with ReLU in a row, then a mean."""

    def __init__(self, layers: list[LayerSpec]) -> None:
        super().__init__()
        self.body = nn.Sequential(*map(Layer, layers))

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images).mean((2, 3))


CHAIN = [LayerSpec.conv(f"body.{i}", Convolution.square(8 if i else 3, 8, 3), 8, activation="relu") for i in range(3)]


def chain(policies: list[str]) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    images = torch.randn(64, 3, 8, 8)
    policy = CompressionPolicy(tuple(map(LayerPolicy.parse, policies)))
    network = apply_policy(Chain(CHAIN).eval(), CHAIN, policy)
    calibrate(network, [images])
    round_biases(network)
    return network, images


def test_floating_point_layers_between_integer_ones_stay_floating_point(
    optimised: Optimised, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, images = chain(["w8a8", "w32a32", "w8a8"])
    kernels, errors = [], []
    for shielded in (True, False):
        if not shielded:  # what onnxruntime does where nothing keeps it from it
            monkeypatch.setattr(onnx_model, "shield_float_layers", lambda _: None)
        model = to_onnx(network, (3, 8, 8))
        kernels.append(Counter(node.op_type for node in optimised(model).node))
        with torch.no_grad():
            expected = network(images).numpy()
        errors.append(np.abs(run_session(open_session(model), images.numpy()) - expected).mean())
    assert (kernels[0]["QLinearConv"], kernels[0]["Conv"]) == (2, 1)
    assert (kernels[1]["QLinearConv"], kernels[1]["Conv"]) == (3, 0)
    assert errors[0] < errors[1] / 10


class Residual(nn.Module):
    """Two layers read the first one's output, which is added to theirs; the last layer reads the sum."""

    def __init__(self, layers: list[LayerSpec]) -> None:
        super().__init__()
        self.body = nn.Sequential(*map(Layer, layers))

    def forward(self, images: Tensor) -> Tensor:
        first = self.body[0](images)
        return self.body[3](first + self.body[2](self.body[1](first))).mean((2, 3))


# All kinds of any three of the four layers: the fourth makes the number of integer layers even.
SUMS = [kinds for kinds in product(["w8a8", "w32a32"], repeat=4) if kinds.count("w8a8") % 2 == 0]


@pytest.mark.parametrize("policies", SUMS, ids="-".join)
def test_sums_of_integer_and_floating_point_layers_agree(policies: tuple[str, ...], optimised: Optimised) -> None:
    torch.manual_seed(0)
    layers = [replace(CHAIN[min(i, 1)], name=f"body.{i}", activation=None) for i in range(4)]
    images = torch.randn(64, 3, 8, 8)
    policy = CompressionPolicy(tuple(map(LayerPolicy.parse, policies)))
    network = apply_policy(Residual(layers).eval(), layers, policy)
    calibrate(network, [images])
    round_biases(network)
    model = to_onnx(network, (3, 8, 8))
    check_agreement(network, open_session(model), images)
    graph = optimised(model)
    kernels = Counter(node.op_type for node in graph.node)
    assert (kernels["QLinearConv"], kernels["Conv"]) == (policies.count("w8a8"), policies.count("w32a32"))
    read = {name for node in graph.node for name in node.input} | {"logits"}
    assert all(read & {*node.output} for node in graph.node)


def learnt_chain(policy: str) -> tuple[nn.Module, Tensor]:
    """A chain with learnt steps that clip some weights, and normalisations of either sign."""
    torch.manual_seed(0)
    images = torch.randn(64, 3, 8, 8)
    plain = Chain(CHAIN)
    for made in plain.body:
        made.learn_weight_step(8)
        made.log_weight_step.data += (torch.rand(8) + 0.2).log()
        made.norm.weight.data = torch.randn(8)
        made.norm.bias.data = 0.1 * torch.randn(8)
    recalibrate_batch_norm(plain, [images])
    network = apply_policy(plain.eval(), CHAIN, CompressionPolicy((LayerPolicy.parse(policy),) * 3))
    calibrate(network, [images])
    round_biases(network)
    return network, images


@pytest.mark.parametrize("policy", ["w8a8", "w4a8", "w2a8", "w4a4"])
def test_learnt_steps_are_exported_as_they_are(policy: str) -> None:
    network, images = learnt_chain(policy)
    model = to_onnx(network, (3, 8, 8))
    check_agreement(network, open_session(model), images)
    constants = [numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(model).graph.initializer]
    codes = [constant for constant in constants if constant.dtype in (np.int8, np.uint8) and constant.ndim == 4]
    stored = [one.astype(int) - (128 if one.dtype == np.uint8 else 0) for one in codes]
    limit = 2 ** (network.body[0].policy.weight_bits - 1) - 1
    finer = max(1, 2 ** (7 - network.body[0].policy.weight_bits))  # stored codes for one of fewer bits
    assert [(one.min(), one.max()) for one in stored] == [(-limit * finer, limit * finer)] * 3
    assert all((one % finer == 0).all() for one in stored)


@pytest.mark.parametrize("policy", ["w8a8", "w4a8", "w2a8"])
def test_folding_a_normalisation_of_either_sign_leaves_the_codes(policy: str) -> None:
    for made in learnt_chain(policy)[0].body:
        codes, scale = made.weight_quantizer.codes(made.op.weight, made.weight_step)
        gain = made.norm.weight / (made.norm.running_var + made.norm.eps).sqrt()
        assert (gain < 0).any()
        assert (gain > 0).any()
        exported = OnnxLayer(made).weight
        finer = max(1, 2 ** (7 - made.policy.weight_bits))
        assert torch.equal(exported.value, codes * finer * gain.sign().view(-1, 1, 1, 1).to(torch.int8))
        torch.testing.assert_close(exported.scale, scale * gain.abs() / finer)


def test_uncalibrated_networks_are_refused() -> None:
    network = apply_policy(Chain(CHAIN).eval(), CHAIN, CompressionPolicy((LayerPolicy.quantized(8, 8),) * 3))
    with pytest.raises(ValueError, match=r"the activations of body\.0 must be calibrated before export"):
        to_onnx(network, (3, 8, 8))


def test_models_are_written_whole(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"old")
    save_onnx(b"new", tmp_path / "net.onnx")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("net.onnx", b"new")]


def test_a_fixed_batch_stands_in_the_file() -> None:
    network, images = learnt_chain("w8a8")
    at_any, at_three = (open_session(to_onnx(network, (3, 8, 8), ExportTarget(batch=batch))) for batch in (None, 3))
    assert at_any.get_inputs()[0].shape[0] == "batch"
    assert at_three.get_inputs()[0].shape == [3, 3, 8, 8]
    assert np.array_equal(*(run_session(session, images[:3].numpy()) for session in (at_any, at_three)))


def test_an_operation_without_a_form_is_named() -> None:
    class Bessel(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return torch.special.i1e(inputs)

    with pytest.raises(ValueError, match=r"bessel_i1e\.default \(node \w+\) has no form in ONNX of opset") as told:
        to_onnx(Bessel(), (3, 8, 8))
    assert "\n" not in str(told.value)
