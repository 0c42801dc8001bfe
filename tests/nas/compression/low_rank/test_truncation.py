"""A cut network computes what the whole one does with zeros for the components that are gone, in the same steps."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from nas.compression.compress import calibrate
from nas.compression.low_rank.truncation import find_ranks, list_factors, measure_importance, truncate_network
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork

POLICIES = ("w4a8-rank0.9", "w2a8-correct0.9", "w8a8-g2-rank0.9")  # ranks of 6, 8 and 6


@pytest.fixture(scope="module")
def inputs() -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def network(inputs: Tensor) -> GraphNetwork:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 9, 3), nn.BatchNorm2d(9), nn.ReLU(), nn.Conv2d(9, 12, 3), nn.Flatten(), nn.Linear(192, 7)
    )
    traced = trace(net.eval(), [inputs])
    found = compress(traced, CompressionPolicy(tuple(map(LayerPolicy.parse, POLICIES))))
    calibrate(found, [inputs])
    return found


@torch.no_grad()
def test_the_first_components_are_kept_and_nothing_else_changes(network: GraphNetwork, inputs: Tensor) -> None:
    ranks = {"0": 2, "3": 5, "5": 4}
    zeroed = copy.deepcopy(network)
    for layer, (first, second) in list_factors(network.graph).items():
        codes = [network.weight_quantizer(name) for name in (first, second)]
        for name, quantizer in zip((first, second), codes, strict=True):  # in the steps of the whole weights
            assert quantizer is not None
            zeroed.tensor(name).copy_(quantizer(network.tensor(name)))
            zeroed.round_weight(name, 32)
        zeroed.tensor(second)[:, ranks[layer] :] = 0
    cut = truncate_network(network, ranks)
    torch.testing.assert_close(cut(inputs), zeroed(inputs))
    assert {layer: len(one) for layer, one in measure_importance(cut).items()} == ranks
    assert cut.graph.macs < network.graph.macs
    whole = truncate_network(network, {})
    assert torch.equal(whole(inputs), network(inputs))


@torch.no_grad()
def test_ranks_end_where_nothing_of_importance_follows(network: GraphNetwork) -> None:
    changed = copy.deepcopy(network)
    first, second = list_factors(network.graph)["0"]
    changed.tensor(first)[3:] *= 1e-3
    importance = measure_importance(changed)["0"]
    product = changed.tensor(second).flatten(1)[:, 4:5] @ changed.tensor(first).flatten(1)[4:5]
    torch.testing.assert_close(importance[4], product.norm())
    assert find_ranks(changed)["0"] == 3
    assert find_ranks(changed, 0.0)["0"] == len(importance)
    with pytest.raises(ValueError, match="from 0 to 1, got nan"):
        find_ranks(changed, float("nan"))
    changed.tensor(second).zero_()
    assert (find_ranks(changed)["0"], find_ranks(changed, 0.0)["0"]) == (1, len(importance))
    changed.tensor(second)[0, 4] = float("nan")
    with pytest.raises(ValueError, match="importance of components must be finite, got nan in 0; take weights"):
        find_ranks(changed)


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        ({"0": 0}, "the rank of 0 must be from 1 to 6, got 0"),
        ({"0": 7}, "the rank of 0 must be from 1 to 6, got 7"),
        ({"5": 3}, "groups of 2 need a multiple of as many input channels, got 3"),
        ({"1": 1}, "a layer with factors, 0, 3, 5; got '1'"),
    ],
)
def test_ranks_that_cannot_be_are_refused(network: GraphNetwork, ranks: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        truncate_network(network, ranks)
