"""Uses of tensors: by hand for one network, and blind to genes that do not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hardware.calibration.tensor_uses import NO_TENSOR, TensorUses, form
from hardware.device import onnxruntime_cpu
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.dataflow import present_nodes
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import SPACES, search_space

W32, W8 = LayerPolicy(), LayerPolicy.quantized(8, 8)


def _joint(name: str) -> JointSpace:
    return JointSpace(search_space(name, 3, 10), PolicySpace((W32, W8)))


@pytest.mark.parametrize("name", SPACES)
def test_one_use_for_every_tensor_of_a_network(name: str) -> None:
    space = _joint(name)
    population = space.sample(np.random.default_rng(0), 20)
    uses, elements = TensorUses(space, onnxruntime_cpu())(population.genes)
    for row in range(len(population)):
        layers = space.architectures.layers(population[row].architecture)
        nodes = present_nodes(space.architectures.nodes, [layer.name for layer in layers])
        assert (uses[row] != NO_TENSOR).sum() == len(nodes) + 1  # and the images
        assert elements[row, 0] == 3 * layers[0].input_size ** 2
        assert sum(layer.activations for layer in layers) <= elements[row, 1:].sum()
    free = np.where(space.active(population.genes), population.genes, space.cardinalities - 1).astype(np.int16)
    again = TensorUses(space, onnxruntime_cpu())(free)
    assert np.array_equal(again[0], uses)
    assert np.array_equal(again[1], elements)


def test_the_use_of_a_tensor_by_hand() -> None:
    space = _joint("mobilenet_v3_digits")
    architecture = space.smallest().architecture
    layers = space.architectures.layers(architecture)
    eight = {"stem", "first.project", "stages.1.0.depthwise"}
    policy = CompressionPolicy(tuple(W8 if layer.name in eight else W32 for layer in layers))
    uses, _ = TensorUses(space, onnxruntime_cpu())(space.encode([Candidate(architecture, policy)]).genes)
    use = {"images": uses[0, 0]}
    use |= {node.name: value for node, value in zip(space.architectures.nodes, uses[0, 1:], strict=True)}

    assert use["images"] == 0 + 256 * 1  # read by one 8-bit layer
    # The stem is an 8-bit layer with a hard swish: form 3. The depthwise layer, in floating point, and the sum read it;
    # the other part of the sum is an 8-bit layer, and the sum is read by one floating-point layer.
    assert use["stem"] == 3 + 256 * (1 * 4 + 1 * 32 + 2 * 128 + 4 * 1024)
    assert use["first.depthwise"] == 1 + 256 * 1
    assert use["first.add"] == (8 + 8 * 2 + 3) + 256 * 4
    # An 8-bit layer with a ReLU, pooled and gated by a floating-point layer; the gated value is read by one, too.
    assert use["stages.1.0.depthwise"] == 2 + 256 * (16 + 32 + 64 + 1 * 128 + 4 * 1024)
    assert use["stages.1.0.gate"] == (72 + 8 * 2 + 1) + 256 * 4
    assert use["stages.1.0.pool"] == (136 + 2) + 256 * 4
    assert use["classifier"] == 1  # read by nobody
    assert form(np.array([use["stem"]]))[0] == 3


def test_a_policy_that_the_device_cannot_run_is_refused() -> None:
    space = JointSpace(search_space("resnet_digits", 1, 10), PolicySpace((W32, LayerPolicy.quantized(8, 4))))
    with pytest.raises(ValueError, match="runs no layer at w8a4"):
        TensorUses(space, replace(onnxruntime_cpu(), name="here"))
