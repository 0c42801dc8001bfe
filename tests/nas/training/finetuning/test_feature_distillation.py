"""Ends of blocks learn from what is read in their place in the network that a compressed one was made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.compress import calibrate
from nas.compression.pruning.narrow_network import narrow_network, remove_blocks
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.data.sources import load_images
from nas.data.splits import DataSplits
from nas.training.finetuning.feature_distillation import compare_features, pair_features, run_with_features
from nas.training.finetuning.finetune_network import NetworkFineTuning, finetune_network
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.removable_blocks import RemovableBlocks


class Residual(nn.Module):
    """A stem, three blocks with a shortcut, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, 2, 1)
        self.blocks = nn.ModuleList(nn.Conv2d(6, 6, 3, padding=1) for _ in range(3))
        self.head = nn.Linear(6, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.stem(images))
        for block in self.blocks:
            x = F.relu(x + block(x))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def data() -> DataSplits:
    return load_images("digits", 500)


@pytest.fixture(scope="module")
def traced() -> TracedNetwork:
    torch.manual_seed(0)
    return trace(Residual(), [torch.rand(2, 1, 8, 8)])


def without(traced: TracedNetwork, *removed: str, policy: str = "w32a32") -> GraphNetwork:
    left = remove_blocks(traced, RemovableBlocks.from_graph(traced.graph), removed)
    network = compress(left, CompressionPolicy((LayerPolicy.parse(policy),) * len(left.graph.layers)))
    calibrate(network, [torch.rand(16, 1, 8, 8)])
    return network


@pytest.mark.parametrize("policy", ["w32a32", "w4a8", "w4a8-rank0.5"])
@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ((), {0: 0, 1: 1, 2: 2, 3: 3}),
        (("blocks.1",), {0: 0, 1: 2, 3: 3}),
        (("blocks.0", "blocks.1"), {0: 2, 3: 3}),
        (("blocks.0", "blocks.2"), {0: 1, 2: 3}),
        (("blocks.0", "blocks.1", "blocks.2"), {0: 3}),
    ],
)
def test_a_value_learns_from_the_last_one_in_whose_place_it_is_read(
    traced: TracedNetwork, removed: tuple[str, ...], expected: dict[int, int], policy: str
) -> None:
    blocks = RemovableBlocks.from_graph(traced.graph).blocks
    ends = [blocks[0].entry, *(block.exit for block in blocks)]
    found = pair_features(without(traced, *removed, policy=policy).graph, traced.graph)
    assert found == {ends[ours]: ends[theirs] for ours, theirs in expected.items()}


def test_of_a_corrected_layer_the_sum_is_read() -> None:
    traced = trace(nn.Sequential(*(nn.Linear(4, 4, bias=False) for _ in range(4))), [torch.rand(2, 4)])
    network = compress(traced, CompressionPolicy((LayerPolicy.parse("w2a8-correct0.5"),) * 4))
    found = pair_features(network.graph, traced.graph)
    assert [*found] == [f"{name} corrected" for name in found.values()]
    assert len(found) == 3


def test_features_of_another_shape_are_left_out_and_none_is_refused(traced: TracedNetwork) -> None:
    channels = CoupledChannels.from_graph(traced.graph)
    kept = channels.keep_all()
    kept[channels.groups[0].first] = False
    narrow = narrow_network(traced, channels, kept)
    with pytest.raises(ValueError, match="got 4 ends, none of the same shape; fine-tune without it"):
        pair_features(narrow.graph, traced.graph)
    plain = trace(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), [torch.rand(2, 4)])
    with pytest.raises(ValueError, match="got 0 ends"):
        pair_features(plain.graph, plain.graph)


def test_each_feature_counts_by_its_share_of_the_norm() -> None:
    """METHODS 6.6: with one feature in a scale twice as large the loss is the same."""
    teacher = [torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])]
    student = [torch.tensor([[3.0, 3.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]])]
    expected = (1 / 25 + 1 / 2) / 2
    assert float(compare_features(student, teacher)) == pytest.approx(expected)
    scaled = [student[0], 2 * student[1]], [teacher[0], 2 * teacher[1]]
    assert float(compare_features(*scaled)) == pytest.approx(expected)
    assert float(compare_features([torch.ones(1, 2)], [torch.zeros(1, 2)])) == 2


def test_values_are_those_of_a_call_and_gradients_reach_the_student_alone(traced: TracedNetwork) -> None:
    teacher, student, images = traced.network(), without(traced, "blocks.1"), torch.rand(4, 1, 8, 8)
    pairs = pair_features(student.graph, traced.graph)
    outputs, ours = run_with_features(student, [*pairs], images)
    expected, theirs = run_with_features(teacher, [*pairs.values()], images)
    assert torch.equal(outputs, student(images))
    assert torch.equal(expected, teacher(images))
    assert torch.equal(ours[0], F.relu(F.conv2d(images, *map(student.tensor, ("stem.weight", "stem.bias")), 2, 1)))
    compare_features(ours, theirs).backward()
    assert not any(parameter.grad is not None for parameter in teacher.parameters())
    reached = {name for name in student.graph.parameter_shapes if student.tensor(name).grad is not None}
    assert reached == {f"{layer}.{part}" for layer in ("stem", "blocks.0", "blocks.2") for part in ("weight", "bias")}


def test_features_come_nearer_to_those_of_the_original(traced: TracedNetwork, data: DataSplits, tmp_path: Path) -> None:
    plain = NetworkFineTuning(epochs=4, learning_rate=0.01)
    images = data.transform.inputs(data.validation.images, 8)
    expected = run_with_features(traced.network(), [*pair_features(traced.graph, traced.graph)], images)[1][1:]
    distances = []
    for weight in (0.0, 100.0):
        network = without(traced, "blocks.0", policy="w4a32")
        folder = tmp_path / str(weight)
        folder.mkdir()
        finetune_network(network, traced.network(), data, replace(plain, feature_distillation=weight), folder)
        found = run_with_features(network, [*pair_features(network.graph, traced.graph)], images)[1]
        distances.append(compare_features(found, expected).item())
    # a quarter to a tenth over five seeds
    assert distances[1] < 0.5 * distances[0]


def test_a_weight_that_is_no_number_of_0_or_above_is_refused() -> None:
    for weight in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"feature_distillation must be a number of 0 or above, got {weight}"):
            NetworkFineTuning(feature_distillation=weight)
