"""A compressed network is trained from where it stands, and a killed training ends as if undisturbed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nas.compression.compress import calibrate
from nas.compression.tracing.compress import compress
from nas.compression.tracing.reduced_network import list_sparse_weights
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.data.sources import load_images
from nas.data.splits import DataSplits
from nas.training.finetuning import finetune_network as module
from nas.training.finetuning.finetune_network import NetworkFineTuning, finetune_network
from nas.training.progress import StepReport
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

TUNING = NetworkFineTuning(epochs=0.5)


@pytest.fixture(scope="module")
def data() -> DataSplits:
    return load_images("digits", 500)


@pytest.fixture(scope="module")
def traced() -> TracedNetwork:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10, bias=False)
    )
    return trace(network, [torch.rand(2, 1, 8, 8)])


def compressed(traced: TracedNetwork, data: DataSplits) -> GraphNetwork:
    network = compress(traced, CompressionPolicy((LayerPolicy.parse("w3a8"),) * 2))
    calibrate(network, [inputs(data)])
    return network


def inputs(data: DataSplits) -> Tensor:
    return data.transform.inputs(data.validation.images, 8)


class Killed(Exception):
    pass


def test_it_learns_and_leaves_the_original_alone(traced: TracedNetwork, data: DataSplits, tmp_path: Path) -> None:
    network, digest = compressed(traced, data), traced.digest()
    losses: list[float] = []
    finetune_network(network, traced.network(), data, TUNING, tmp_path, lambda report: losses.append(report.loss))
    assert len(losses) == 3
    assert all(torch.tensor(losses).isfinite())
    assert traced.digest() == digest
    assert not torch.equal(network(inputs(data)), compressed(traced, data)(inputs(data)))
    assert not any(parameter.grad is not None for parameter in network.parameters())


def test_a_corrected_layer_is_trained_with_its_factors(traced: TracedNetwork, data: DataSplits, tmp_path: Path) -> None:
    network = compress(traced, CompressionPolicy((LayerPolicy.parse("w2a8-correct0.5"),) * 2))
    calibrate(network, [inputs(data)])
    before = {layer.weight: network.tensor(layer.weight).detach().clone() for layer in network.graph.layers}
    assert len(before) == 6
    finetune_network(network, traced.network(), data, TUNING, tmp_path)
    assert not any(torch.equal(network.tensor(name), weight) for name, weight in before.items())


@pytest.mark.parametrize("texts", [("w3a8-sparse0.5", "w32a32-sparse0.5"), ("w8a8-rank0.5-sparse0.5", "w8a8")])
def test_zeros_of_sparse_layers_stay(
    traced: TracedNetwork, data: DataSplits, tmp_path: Path, texts: tuple[str, ...]
) -> None:
    policy = CompressionPolicy(tuple(map(LayerPolicy.parse, texts)))
    network = compress(traced, policy)
    calibrate(network, [inputs(data)])
    sparse = tuple(list_sparse_weights(traced, policy))
    before = {name: network.tensor(name).detach().clone() for name in sparse}
    finetune_network(network, traced.network(), data, replace(TUNING, sparse=sparse), tmp_path)
    for name, weight in before.items():
        assert not network.tensor(name)[weight == 0].any()
        assert not torch.equal(network.tensor(name), weight)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_killed_one_ends_with_the_same_bits(
    traced: TracedNetwork, data: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(module, "_CHECKPOINT_S", 0.0)
    undisturbed = compressed(traced, data)
    (tmp_path / "whole").mkdir()
    finetune_network(undisturbed, traced.network(), data, TUNING, tmp_path / "whole")
    steps: list[int] = []

    def kill(report: StepReport) -> None:
        steps.append(report.step)
        if report.step == at and len(steps) == at:
            raise Killed

    with pytest.raises(Killed):
        finetune_network(compressed(traced, data), traced.network(), data, TUNING, tmp_path, kill)
    again = compressed(traced, data)
    finetune_network(again, traced.network(), data, TUNING, tmp_path, kill)
    assert steps == [*range(1, at + 1), *range(at, 4)]
    assert torch.equal(again(inputs(data)), undisturbed(inputs(data)))


def test_another_training_or_a_useless_one_is_refused(traced: TracedNetwork, data: DataSplits, tmp_path: Path) -> None:
    finetune_network(compressed(traced, data), traced.network(), data, TUNING, tmp_path)
    with pytest.raises(ValueError, match=r"finetuning\.safetensors is of another network or fine-tuning; delete it"):
        finetune_network(compressed(traced, data), traced.network(), data, NetworkFineTuning(epochs=0.7), tmp_path)
    (tmp_path / "finetuning.safetensors").unlink()
    useless = compressed(traced, data)
    with torch.no_grad():
        useless.tensor("1.bias").fill_(torch.nan)
    with pytest.raises(ValueError, match="the loss became nan at step 1; no step was taken yet"):
        finetune_network(useless, traced.network(), data, TUNING, tmp_path)
    with pytest.raises(ValueError, match=re.escape("epochs and learning_rate must be above 0, got nan and 0.0001")):
        NetworkFineTuning(epochs=float("nan"))
