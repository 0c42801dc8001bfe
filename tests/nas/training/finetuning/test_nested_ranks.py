"""Components are ordered by what they contribute, as the singular values of a linear map are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas.compression.compress import calibrate
from nas.compression.low_rank.truncation import find_ranks, list_factors, measure_importance, truncate_network
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.data.sources import load_images
from nas.tasks.regression import Regression
from nas.training.finetuning import finetune_network as module
from nas.training.finetuning.finetune_network import NetworkFineTuning, finetune_network
from nas.training.finetuning.nested_ranks import NestedLoss, NestedRanks
from nas.training.progress import StepReport
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

STEPS = 1000
TUNING = NetworkFineTuning(epochs=0.5, nested=NestedRanks())


def factorize(traced: TracedNetwork, *policies: str) -> GraphNetwork:
    return compress(traced, CompressionPolicy(tuple(map(LayerPolicy.parse, policies))))


def test_the_singular_vectors_of_a_linear_map_are_found_in_their_order() -> None:
    """METHODS 8.6: a map of rank 3 with noise has three components of importance."""
    torch.manual_seed(0)
    (left, _), (right, _) = (torch.linalg.qr(torch.randn(side, 3)) for side in (12, 16))
    weight = left @ torch.diag(torch.tensor([4.0, 2.0, 1.0])) @ right.T + 0.01 * torch.randn(12, 16)
    vectors, values, inputs_first = torch.linalg.svd(weight)
    network = factorize(trace(nn.Linear(16, 12, bias=False), [torch.randn(2, 16)]), "w32a32-rank0.99")
    ((layer, (first, second)),) = list_factors(network.graph).items()
    for tensor in network.parameters():
        nn.init.normal_(tensor, std=0.3)  # no component is a singular vector at first
    loss = NestedLoss(network, NestedRanks(penalty=1e-3), Regression(), seed=0)
    adam = torch.optim.Adam(network.parameters(), lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    for step in range(STEPS):
        inputs = torch.randn(128, 16)
        outputs = network(inputs)
        adam.zero_grad()
        (F.mse_loss(outputs, inputs @ weight.T) + loss(step, inputs, outputs)).backward()
        adam.step()
        schedule.step()
    importance = measure_importance(network)[layer]
    torch.testing.assert_close(importance[:3], values[:3], rtol=0.1, atol=0.05)
    assert find_ranks(network, 0.1) == {layer: 3}
    for index in range(3):
        found = F.cosine_similarity(network.tensor(second)[:, index], vectors[:, index], dim=0)
        assert found.abs() > 0.99
        found = F.cosine_similarity(network.tensor(first)[index], inputs_first[index], dim=0)
        assert found.abs() > 0.99


class Killed(Exception):
    pass


def test_a_fine_tuning_nests_ranks_and_goes_on_where_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHECKPOINT_S", 0.0)
    torch.manual_seed(0)
    data = load_images("digits", 500)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))
    traced, inputs = trace(net, [torch.rand(2, 1, 8, 8)]), data.transform.inputs(data.validation.images, 8)

    def start(*policies: str) -> GraphNetwork:
        network = factorize(traced, *policies)
        calibrate(network, [inputs])
        return network

    def kill(report: StepReport) -> None:
        if report.step == 2:
            raise Killed

    def tune(network: GraphNetwork, tuning: NetworkFineTuning, name: str) -> GraphNetwork:
        (tmp_path / name).mkdir(exist_ok=True)
        finetune_network(network, traced.network(), data, tuning, tmp_path / name)
        return network

    policies = "w8a8", "w4a8-rank0.9"
    nested, plain = (
        tune(start(*policies), TUNING, "nested"),
        tune(start(*policies), replace(TUNING, nested=None), "plain"),
    )
    assert not torch.equal(nested(inputs), plain(inputs))
    with pytest.raises(Killed):
        finetune_network(start(*policies), traced.network(), data, TUNING, tmp_path, kill)
    again = start(*policies)
    finetune_network(again, traced.network(), data, TUNING, tmp_path)
    assert torch.equal(again(inputs), nested(inputs))
    cut = truncate_network(nested, {"4": 3})
    assert cut(inputs).shape == (len(inputs), 10)
    with pytest.raises(ValueError, match="in layers of low rank, or in corrections, and the network has neither"):
        tune(start("w8a8", "w8a8"), TUNING, "neither")


@pytest.mark.parametrize("penalty", [-1e-6, float("nan"), float("inf")])
def test_penalties_that_cannot_be_are_refused(penalty: float) -> None:
    with pytest.raises(ValueError, match="the penalty of nested ranks must be a number of 0 or above, got"):
        NestedRanks(penalty)
