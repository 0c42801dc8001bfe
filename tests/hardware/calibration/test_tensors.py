"""The tensors of a network by hand, and of nodes of any name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hardware.building.calibrate_table import build_random_network
from hardware.calibration.tensors import find_tensors
from hardware.device import ONNXRUNTIME_CPU
from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.workload import RandomNetwork
from search_spaces.candidate import Candidate
from search_spaces.compressed_layer import expand_layer
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.dataflow import make_chain, make_slot
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.low_rank import LowRank
from search_spaces.network_graph import Node
from search_spaces.operators.pointwise import Softmax
from search_spaces.operators.products import Add
from search_spaces.operators.weighted import Convolution
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

W32, W8 = LayerPolicy(), LayerPolicy.quantized(8, 8)


def _uses(network: RandomNetwork) -> dict[str, str]:
    names = ("images", *(node.name for node in network.nodes))
    return {name: str(tensor.use) for name, tensor in zip(names, find_tensors(network), strict=True)}


def test_the_uses_of_a_network_by_hand() -> None:
    space = JointSpace(create_space("mobilenet_v3_digits", 3, 10), PolicySpace((W32, W8)))
    architecture = space.smallest().architecture
    layers = space.architectures.layers(architecture)
    eight = {"stem", "first.project", "stages.1.0.depthwise"}
    policy = CompressionPolicy(tuple(W8 if layer.name in eight else W32 for layer in layers))
    network = build_random_network(space, Candidate(architecture, policy), ONNXRUNTIME_CPU)
    use = _uses(network)
    assert use["images"] == "float images -> 1 int8"
    assert use["stem"] == "int8+activation -> 1 add(int8; 1 float), 1 float"  # its hard swish takes floating point
    assert use["first.depthwise"] == "float -> 1 int8"
    assert use["first.add"] == "add(int8, int8+activation) -> 1 float"
    assert use["stages.1.0.depthwise"] == "int8 -> 1 global_pool, 1 multiply(float; 1 float)"
    assert use["stages.1.0.gate"] == "multiply(int8, float) -> 1 float"
    assert use["stages.1.0.pool"] == "global_pool(int8) -> 1 float"
    assert use["classifier"] == "float"
    elements = dict(zip(use, (tensor.elements for tensor in find_tensors(network)), strict=True))
    size = architecture.resolution
    assert elements["images"] == 3 * size**2
    assert elements["stem"] == elements["first.add"] == layers[0].output_elements
    depthwise = next(layer for layer in layers if layer.name == "stages.1.0.depthwise")
    assert elements["stages.1.0.pool"] == depthwise.output_elements


def test_any_number_of_readers_of_any_name() -> None:
    heads = [f"head{index}" for index in range(5)]
    nodes = [
        make_slot("stem", "images"),
        *(make_slot(head, "stem") for head in heads),
        *(Node(f"softmax{index}", Softmax(), ("stem",)) for index in range(2)),
        Node("twice", Add(), ("stem", "head0")),
        Node("again", Add(), ("twice", "stem")),
    ]
    layer = LayerSpec.conv("", Convolution.square(3, 3), 4, activation="relu")
    policies = {"stem": W8, "head0": W32, "head1": W32} | dict.fromkeys(heads[2:], W8)
    placed = {name: (layer, policy) for name, policy in policies.items()}
    use = _uses(RandomNetwork(tuple(nodes), placed, {"images": layer.input_shape}))
    assert use["stem"] == "int8 -> 1 add(int8 add), 1 add(float; 1 add), 2 float, 3 int8, 2 softmax"
    assert use["softmax0"] == "softmax(int8)"
    assert use["again"] == "add(int8 add, int8)"


def test_a_policy_that_the_device_cannot_run_is_refused() -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace((LayerPolicy.quantized(8, 4),)))
    with pytest.raises(ValueError, match="runs no layer at w8a4"):
        build_random_network(space, space.smallest(), ONNXRUNTIME_CPU)


def test_a_runtime_converts_nothing_between_two_factors() -> None:
    """So the tensor between them has no cost in tables: 8-bit networks of low rank run one kernel more."""
    first, middle, last = (
        LayerSpec.conv(name, Convolution.square(16, 16), 8, activation="relu") for name in ("first", "middle", "last")
    )
    networks = []
    for parts in ([(middle, W8)], expand_layer(middle, replace(W8, low_rank=LowRank(0.6)))):
        placed = {layer.name: (layer, policy) for layer, policy in [(first, W8), *parts, (last, W8)]}
        networks.append(RandomNetwork(make_chain(list(placed)), placed, {"images": first.input_shape}))
    dense, low = OnnxRuntimeProfiler(ONNXRUNTIME_CPU).count_operators(networks)
    more = {name: low.get(name, (0,))[0] - dense.get(name, (0,))[0] for name in {*dense, *low}}
    assert {name: count for name, count in more.items() if count} == {"QLinearConv": 1}
