"""The laws of shared weights, over all ready-made spaces."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nas.compression.compress import apply_policy
from search_spaces.candidate import Architecture, Candidate
from search_spaces.compression_policy import CompressionPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.shared_weights import SharedWeights
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution
from search_spaces.policy_space import PolicySpace

POLICIES = PolicySpace.parse(["w32a32", "w8a8", "w4a8", "w2a4", "w32a8", "w3a32"])


def some(net: SharedWeights, count: int) -> list[Candidate]:
    """The smallest and the largest candidate in floating point, and random ones with random policies."""
    joint = JointSpace(net.space, POLICIES)
    sampled = joint.sample(np.random.default_rng(3), count)
    return [joint.smallest(), joint.largest(), *(sampled[row] for row in range(count))]


def images(architecture: Architecture, count: int = 2) -> Tensor:
    shape = (count, 3, architecture.resolution, architecture.resolution)
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


@torch.no_grad()
@pytest.mark.usefixtures("double_precision")
def test_the_elastic_network_equals_the_extracted_and_compressed_one(trained: SharedWeights) -> None:
    trained = copy.deepcopy(trained).double()
    for candidate in some(trained, 1):
        architecture, policy = candidate.architecture, candidate.policy
        inputs = images(architecture)
        plain = apply_policy(trained.extract(architecture), trained.space.layers(architecture), policy)
        torch.testing.assert_close(trained(inputs, architecture, policy), plain(inputs), rtol=1e-5, atol=1e-5)
    neutral = trained(inputs, architecture)
    assert not torch.allclose(neutral, plain(inputs), rtol=1e-3)  # a random policy is not without effect


def test_layers_count_what_the_extracted_network_holds_and_does(trained: SharedWeights) -> None:
    for candidate in some(trained, 2):
        layers = trained.space.layers(candidate.architecture)
        plain = trained.extract(candidate.architecture)
        assert sum(layer.parameters for layer in layers) == sum(parameter.numel() for parameter in plain.parameters())
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            plain(images(candidate.architecture, 1))
        assert 2 * sum(layer.macs for layer in layers) == counter.get_total_flops()
        found = {name: module.spec for name, module in plain.named_modules() if isinstance(module, Layer)}
        assert found == {layer.name: layer for layer in layers}


def test_activations_are_those_of_the_network(trained: SharedWeights) -> None:
    architecture = some(trained, 1)[2].architecture
    plain = trained.extract(architecture)
    sizes: list[tuple[int, int]] = []
    for module in plain.modules():
        if isinstance(module, Layer):
            module.register_forward_hook(
                lambda layer, _, out: sizes.append((layer.spec.output_elements, out[0].numel()))
            )
    with torch.no_grad():
        plain(images(architecture))
    assert [expected for expected, _ in sizes] == [seen for _, seen in sizes]


@pytest.mark.usefixtures("double_precision")
def test_gradients_are_those_of_the_plain_network_and_zero_elsewhere(fresh: SharedWeights) -> None:
    # Kernel transforms are the identity in a fresh supernet, so the centre of a large kernel is a small one.
    for candidate in some(fresh, 1)[2:]:
        architecture = candidate.architecture
        inputs, labels = images(architecture, 4), torch.tensor([1, 2, 3, 4])
        elastic = copy.deepcopy(fresh).double().train()
        plain = elastic.extract(architecture).train()
        F.cross_entropy(elastic(inputs, architecture), labels).backward()
        F.cross_entropy(plain(inputs), labels).backward()
        expected = {name: torch.zeros_like(parameter) for name, parameter in elastic.network.named_parameters()}
        inactive = {name: torch.ones_like(parameter, dtype=torch.bool) for name, parameter in expected.items()}
        for spec in fresh.space.layers(architecture):
            for name, parameter in plain.get_submodule(spec.name).named_parameters(prefix=spec.name):
                assert parameter.grad is not None
                where = view(expected[name], spec)
                expected[name][where] = parameter.grad
                inactive[name][where] = False
        for name, parameter in elastic.network.named_parameters():
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)
            assert not gradient[inactive[name]].any()


def view(tensor: Tensor, spec: LayerSpec) -> tuple[slice, ...]:
    """Where a layer's weight, bias or norm lies in that of the largest network."""
    first = (slice(spec.out_channels),)
    if tensor.dim() == 1:
        return first
    _, inputs, *kernel = spec.operator.weight_shape
    border = (tensor.shape[-1] - kernel[-1]) // 2 if kernel else 0
    return (*first, slice(inputs), *[slice(border, tensor.shape[-1] - border)] * len(kernel))


def test_training_touches_no_statistics_of_inactive_channels(trained: SharedWeights) -> None:
    joint = JointSpace(trained.space)
    architecture = joint.smallest().architecture
    before = {name: buffer.clone() for name, buffer in trained.network.named_buffers()}
    trained.train()(images(architecture, 4), architecture)
    active = {f"{layer.name}.norm": layer.out_channels for layer in trained.space.layers(architecture)}
    for name, buffer in trained.network.named_buffers():
        norm, _, statistic = name.rpartition(".")
        if statistic == "num_batches_tracked":
            continue
        channels = active.get(norm, 0)
        assert torch.equal(buffer[channels:], before[name][channels:])
        assert channels == 0 or not torch.equal(buffer[:channels], before[name][:channels])


def test_a_small_kernel_starts_as_the_centre_of_the_large_one(fresh: SharedWeights) -> None:
    joint = JointSpace(fresh.space)
    small = joint.population(np.concatenate([fresh.space.cardinalities - 1, np.zeros(len(fresh.space.slots))]))
    kernels = [index for index, choice in enumerate(fresh.space.choices) if choice.name.endswith(".kernel")]
    if not kernels:
        pytest.skip("the family has no elastic kernels")
    small.genes[:, kernels] = 0
    architecture = small[0].architecture
    plain, largest = fresh.extract(architecture), fresh.extract(joint.largest().architecture)
    cropped = 0
    for spec in fresh.space.layers(architecture):
        weight, reference = (net.get_submodule(f"{spec.name}.op").get_parameter("weight") for net in (plain, largest))
        if weight.shape != reference.shape:
            border = (reference.shape[-1] - weight.shape[-1]) // 2
            assert torch.equal(weight, reference[:, :, border:-border, border:-border])
            cropped += 1
    assert cropped == len(kernels)


def with_kernel(spec: LayerSpec, side: int) -> LayerSpec:
    operator = spec.operator
    assert isinstance(operator, Convolution)
    square = Convolution.square(operator.in_channels, operator.out_channels, side, operator.stride[0], operator.groups)
    return replace(spec, operator=square)


def test_kernel_transforms_act_on_one_kernel_size_after_the_other(trained: SharedWeights) -> None:
    for key, matrix in trained.kernel_transforms.items():
        name, _, side = key.rpartition("-")
        layer = trained.network.get_submodule(name.replace("-", "."))
        assert isinstance(layer, Layer)
        if layer.op.weight.shape[-1] != int(side) + 2:
            continue  # checked with the next smaller kernel
        weight = layer.op.weight
        expected = weight[:, :, 1:-1, 1:-1].flatten(2) @ matrix.T
        spec = with_kernel(layer.spec, int(side))
        found = trained.weights([spec])[f"{spec.name}.op.weight"]
        torch.testing.assert_close(found.flatten(2), expected)
        smaller = f"{name}-{int(side) - 2}"
        if smaller in trained.kernel_transforms:
            again = found[:, :, 1:-1, 1:-1].flatten(2) @ trained.kernel_transforms[smaller].T
            spec = with_kernel(layer.spec, int(side) - 2)
            torch.testing.assert_close(trained.weights([spec])[f"{spec.name}.op.weight"].flatten(2), again)


@torch.no_grad()
@pytest.mark.usefixtures("double_precision")
def test_sorting_channels_changes_the_order_but_not_the_network(trained: SharedWeights) -> None:
    trained = copy.deepcopy(trained).double()
    architecture = JointSpace(trained.space).largest().architecture
    inputs = images(architecture)
    before = trained(inputs, architecture)
    weights = copy.deepcopy(trained.network.state_dict())
    trained.sort_channels()
    assert (trained(inputs, architecture) - before).abs().max() < 1e-5
    assert any(not torch.equal(tensor, weights[name]) for name, tensor in trained.network.state_dict().items())
    for group in trained.find_channel_groups():
        scores = torch.stack([importance(trained.network, name) for name in group.scored_by]).sum(0)
        assert (scores.diff() <= 1e-4 * scores.max()).all(), group


def importance(network: nn.Module, consumer: str) -> Tensor:
    """L1 norm of the weights that read each input channel."""
    weight = network.get_submodule(f"{consumer}.op").get_parameter("weight")
    return weight.abs().sum([axis for axis in range(weight.dim()) if axis != 1])


def test_extracted_networks_are_copies(trained: SharedWeights) -> None:
    architecture = JointSpace(trained.space).smallest().architecture
    plain = trained.extract(architecture)
    assert not plain.training
    with torch.no_grad():
        for tensor in plain.state_dict().values():
            tensor.zero_()
    state = trained.network.state_dict()
    assert any(state[name].any() for name in plain.state_dict())


def test_seeds_give_the_weights(fresh: SharedWeights) -> None:
    (same, other) = (type(fresh)(fresh.space, seed).state_dict() for seed in (1, 2))
    assert all(torch.equal(tensor, same[name]) for name, tensor in fresh.state_dict().items())
    assert not torch.equal(other["network.stem.op.weight"], same["network.stem.op.weight"])


def test_inputs_of_another_size_and_policies_of_another_length_are_refused(fresh: SharedWeights) -> None:
    architecture = JointSpace(fresh.space).smallest().architecture
    with pytest.raises(ValueError, match=rf"must be {architecture.resolution} pixels square, got \(2, 3, 7, 7\)"):
        fresh(torch.zeros(2, 3, 7, 7), architecture)
    with pytest.raises(ValueError, match="one entry per layer"):
        fresh(images(architecture), architecture, CompressionPolicy(POLICIES.policies[:1]))
