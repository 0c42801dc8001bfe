"""A graph runs as the torch calls do that it stands for, with weights rounded once for all their call sites."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.quantizers import WeightQuantizer
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.opaque import Opaque
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.products import Add
from search_spaces.operators.weighted import Linear

MIX = ("mix.weight", "mix.bias")
GRAPH = NetworkGraph(
    inputs=(("rows", (4,)),),
    nodes=(
        Node("once", Linear(4, 4, True), ("rows",), MIX),
        Node("relu", Activation("relu"), ("once",)),
        Node("twice", Linear(4, 4, True), ("relu",), MIX),
        Node("pairs", Opaque("aten.view.default", '[[{"input":0},[{"batch":2},2]],{}]', (2, 2)), ("twice",)),
        Node("back", Opaque("aten.view.default", '[[{"input":0},[{"batch":1},4]],{}]', (4,)), ("pairs",)),
        Node("sum", Add(), ("back", "once")),
    ),
    outputs=("sum", "once"),
)


@pytest.fixture
def stored() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 4, generator=generator))
    return {"mix.weight": weight, "mix.bias": torch.randn(4, generator=generator)}


def by_hand(rows: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    once = F.linear(rows, weight, bias)
    return F.linear(once.relu(), weight, bias) + once, once


@pytest.mark.parametrize("batch", [1, 5])
def test_a_graph_runs_at_any_batch(stored: dict[str, Tensor], batch: int) -> None:
    rows = torch.randn(batch, 4)
    found = GraphNetwork(GRAPH, stored)(rows)
    torch.testing.assert_close(found, by_hand(rows, *stored.values()))


def test_a_weight_is_rounded_for_all_its_call_sites(stored: dict[str, Tensor]) -> None:
    network, rows = GraphNetwork(GRAPH, stored), torch.randn(3, 4)
    network.round_weight("mix.weight", 3)
    rounded = WeightQuantizer(3)(stored["mix.weight"])
    torch.testing.assert_close(network(rows), by_hand(rows, rounded, stored["mix.bias"]))
    network(rows)[0].sum().backward()
    assert [parameter.grad is not None for parameter in network.parameters()] == [True]


def test_weights_that_are_rounded_for_good_go_with_the_network(stored: dict[str, Tensor]) -> None:
    network, rows = GraphNetwork(GRAPH, stored), torch.randn(3, 4)
    network.round_weight("mix.weight", 3)
    expected = network(rows)
    network.keep_rounded_weights()
    torch.testing.assert_close(network(rows), expected)
    assert network.state_dict().keys() == GraphNetwork(GRAPH, stored).state_dict().keys()
    torch.testing.assert_close(network.double()(rows.double())[0].float(), expected[0])


def test_what_an_opaque_operation_makes_lies_where_the_inputs_are() -> None:
    made = Node("made", Opaque("aten.zeros.default", '[[[{"batch":1},4]],{}]', (4,)), ())
    graph = NetworkGraph(GRAPH.inputs, (made, Node("sum", Add(), ("rows", "made"))), ("sum", "made"))
    for output in GraphNetwork(graph, {})(torch.zeros(3, 4, device="meta")):  # stands for an accelerator
        assert output.device.type == "meta"


def test_a_module_runs_a_node_in_its_place(stored: dict[str, Tensor]) -> None:
    network = GraphNetwork(GRAPH, stored, {"relu": nn.Tanh()})
    rows = torch.randn(3, 4)
    weight, bias = stored.values()
    once = F.linear(rows, weight, bias)
    torch.testing.assert_close(network(rows)[0], F.linear(once.tanh(), weight, bias) + once)


def test_a_tensor_that_is_missing_is_named(stored: dict[str, Tensor]) -> None:
    del stored["mix.bias"]
    with pytest.raises(ValueError, match=r"a tensor for every parameter of its graph, got none for 'mix\.bias'"):
        GraphNetwork(GRAPH, stored)
