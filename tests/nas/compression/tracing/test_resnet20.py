"""A trained network written plainly, with functional ReLUs and additions: as published, and as in the space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.compress import apply_policy, calibrate
from nas.compression.tracing.compress import compress
from nas.compression.tracing.reference import load_weights
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.data.normalization import Normalization
from nas.data.splits import Split
from nas.training.recalibration import measure_accuracy
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

NORMALIZATION = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
MEASURED = {4: 84.14, 3: 58.83}  # accuracy in percent by bits, on all test images; more bits cost less than 1 point
BATCH = 25  # larger ones leave the caches


class Block(nn.Module):
    """Two convolutions and a shortcut without parameters (He et al., CVPR 2016, option A)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, outputs // inputs, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.added = (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added, self.added)) if self.added else x
        return F.relu(y + shortcut)


class ResNet20(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32), Block(32, 32), Block(32, 32))
        self.layer3 = nn.Sequential(Block(32, 64), Block(64, 64), Block(64, 64))
        self.linear = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.avg_pool2d(x, x.shape[3]).view(x.shape[0], -1))


@pytest.fixture(scope="module")
def traced(reference_data: Path) -> TracedNetwork:
    module = ResNet20()
    load_weights(module, reference_data / "resnet20_cifar10" / "resnet20_jpeg_finetuned.safetensors")
    return trace(module, [torch.randn(2, 3, 32, 32)])


def test_nothing_of_it_is_opaque_and_it_counts_as_published(traced: TracedNetwork) -> None:
    assert not traced.opaque
    assert round(traced.graph.macs / 1e6, 2) == 40.55
    assert sum(parameter.numel() for parameter in traced.network().parameters()) == 269_722
    space = create_space("resnet20_cifar", 3, 10)
    ours = [unit.call.operator.weights for layer in traced.graph.layers for unit in layer.units]
    assert ours == [layer.weights for layer in space.layers(JointSpace(space).largest().architecture)]
    assert all(unit.norm is not None for layer in traced.graph.layers[:-1] for unit in layer.units)


def test_logits_are_the_published_ones(traced: TracedNetwork, reference_data: Path, cifar10: Split) -> None:
    with torch.no_grad():
        found = traced.network()(NORMALIZATION.inputs(cifar10.images[:64], 32)).numpy()
    expected = np.load(reference_data / "resnet20_cifar10" / "reference_logits_jpeg_finetuned.npy")
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("policy", ["w8a32", "w3a32", "w8a8", "w4a8"])
def test_it_computes_what_the_network_of_the_space_does(traced: TracedNetwork, cifar10: Split, policy: str) -> None:
    space = create_space("resnet20_cifar", 3, 10)
    architecture = JointSpace(space).largest().architecture
    layers, built_in = space.layers(architecture), build_supernet(space, seed=0).extract(architecture)
    for spec, layer in zip(layers, traced.graph.layers, strict=True):
        ours, (unit,) = built_in.get_submodule(spec.name), layer.units
        assert isinstance(ours, Layer)
        names = unit.call.parameters + (unit.norm.parameters if unit.norm else ())
        targets = [ours.op.weight, ours.op.bias] if unit.norm is None else [ours.op.weight]
        if isinstance(ours.norm, nn.BatchNorm2d):
            targets += [ours.norm.weight, ours.norm.bias, ours.norm.running_mean, ours.norm.running_var]
        for target, name in zip(targets, names, strict=True):
            target.data.copy_(traced.parameters[name])
    same = CompressionPolicy((LayerPolicy.parse(policy),) * len(layers))
    inputs = NORMALIZATION.inputs(cifar10.images[:64], 32)
    networks = [compress(traced, same), apply_policy(built_in.eval(), layers, same)]
    with torch.no_grad():
        for network in networks:
            calibrate(network, [inputs])
        found, expected = (network(inputs) for network in networks)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bits", MEASURED)
def test_accuracy_is_as_measured(traced: TracedNetwork, cifar10: Split, bits: int) -> None:
    policy = CompressionPolicy((LayerPolicy.quantized(bits),) * len(traced.graph.layers))
    network = frozen(compress(traced, policy), NORMALIZATION.inputs(cifar10.images[:BATCH], 32))
    found = measure_accuracy(network, NORMALIZATION.batches(cifar10, 32, BATCH))
    assert found == pytest.approx(MEASURED[bits], abs=0.5)


def frozen(network: nn.Module, inputs: Tensor) -> nn.Module:
    """The same computation with its constants computed: weights are rounded once, and not for every batch."""
    with torch.no_grad():
        return torch.jit.freeze(torch.jit.trace(network, inputs))
