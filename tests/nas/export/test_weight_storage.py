"""A file with packed weights is smaller, and computes what the same integers in bytes compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle, islice

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from nas.compression.compress import apply_policy, calibrate
from nas.export.onnx_model import open_session, run_session, to_onnx
from nas.export.opset import describe_versions, lower_opset
from nas.export.runtime_form import to_bytes
from nas.export.target import ExportTarget
from nas.export.weight_storage import pack_weights
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.layer_spec import RELU, LayerSpec
from search_spaces.operators.weighted import Convolution

BYTES = ExportTarget(storage="bytes")
PLANES, FOUR, TWO = (ExportTarget(oldest=release) for release in ((1, 20), (1, 23), (1, 24)))
ALL = [f"w{bits}a8" for bits in range(2, 9)]
Optimised = Callable[[bytes], onnx.GraphProto]


def make_chain(policies: Sequence[str]) -> tuple[nn.Module, Tensor]:
    """Seven convolutions under policies that are taken in turn; the weights of one do not fill the last byte."""
    torch.manual_seed(0)
    channels = [3, 15, 37, 32, 24, 24, 24, 24]
    layers = [
        LayerSpec(f"{i}", Convolution.square(*channels[i : i + 2], kernel=3), (channels[i], 8, 8), activation=RELU)
        for i in range(7)
    ]
    images = torch.randn(32, 3, 8, 8)
    policy = CompressionPolicy(tuple(LayerPolicy.parse(one) for one in islice(cycle(policies), len(layers))))
    network = apply_policy(nn.Sequential(*map(Layer, layers)).eval(), layers, policy)
    calibrate(network, [images])
    return network, images


def store(plain: bytes, target: ExportTarget) -> bytes:
    """A file whose codes take bytes, as the target has it: a second export would take a second."""
    model = ir.from_proto(onnx.load_from_string(plain))
    pack_weights(model.graph, target)
    return lower_opset(to_bytes(model), target)


@pytest.mark.parametrize("policies", [["w4a8"], ALL], ids="-".join)
def test_packed_weights_are_the_integers_of_those_in_bytes(policies: list[str], optimised: Optimised) -> None:
    network, images = make_chain(policies)
    plain = to_onnx(network, (3, 8, 8), BYTES)
    expected = run_session(open_session(plain), images.numpy())
    kernels = Counter(node.op_type for node in optimised(plain).node)
    assert kernels["QLinearConv"] == len(network)
    saved = sum(layer.op.weight.numel() * (8 - layer.policy.weight_bits) // 8 for layer in network)
    for target, opset in ((PLANES, 13), (FOUR, 21), (TWO, 25 if "w2a8" in policies else 21)):
        packed = store(plain, target)
        onnx.checker.check_model(packed, full_check=True)
        assert np.array_equal(run_session(open_session(packed), images.numpy()), expected)
        assert Counter(node.op_type for node in optimised(packed).node) == kernels  # and none of unpacking
        assert saved - 3000 < len(plain) - len(packed) < saved
        assert describe_versions(packed)["opset"] == opset
    # a limit of the opset forbids types of few bits, which no file needs
    assert store(plain, ExportTarget(oldest=(1, 24), opset=20)) == store(plain, PLANES)
    assert len(to_onnx(network, (3, 8, 8))) < len(plain)  # packed unless bytes are asked for


def test_what_would_not_be_smaller_stays_in_bytes() -> None:
    network, _ = make_chain(["w8a8"])
    plain = to_onnx(network, (3, 8, 8), BYTES)
    assert store(plain, TWO) == plain
