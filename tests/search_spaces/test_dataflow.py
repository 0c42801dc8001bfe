"""How layers are joined, and what is left of it where layers are missing."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.dataflow import Node, chain, check_dataflow, present_nodes
from search_spaces.space import SearchSpace

BLOCK = [
    *chain(["stem", "expand"]),
    Node("pool", "pool", ("expand",)),
    Node("excite", "layer", ("pool",)),
    Node("gate", "gate", ("expand", "excite")),
    Node("project", "layer", ("gate",)),
    Node("add", "add", ("project", "stem")),
    Node("head", "layer", ("add",)),
]


def test_missing_layers_are_passed_by() -> None:
    assert present_nodes(BLOCK, ["stem", "expand", "excite", "project", "head"]) == BLOCK
    assert present_nodes(BLOCK, ["stem", "head"]) == [
        Node("stem", "layer", ("images",)),
        Node("head", "layer", ("stem",)),
    ]
    names = [node.name for node in present_nodes(BLOCK, ["stem", "project", "head"])]
    assert names == ["stem", "project", "add", "head"]
    assert present_nodes(BLOCK, ["stem", "project", "head"])[1].inputs == ("stem",)


def test_every_network_reads_what_is_there_and_every_layer_is_read(space: SearchSpace) -> None:
    genes = np.random.default_rng(0).integers(0, space.cardinalities, size=(20, len(space.cardinalities)))
    for row in genes:
        names = [layer.name for layer in space.layers(space.decode(row.astype(np.int16)))]
        nodes = present_nodes(space.nodes, names)
        check_dataflow(nodes, names)
        read = {name for node in nodes for name in node.inputs}
        assert {node.name for node in nodes} - read == {nodes[-1].name}


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (chain(["a"]), "one node per layer"),
        ((*chain(["a"]), Node("b", "layer", ("c",))), "read earlier values"),
        (chain(["a", "b", "a"]), "a name of its own"),
    ],
)
def test_refuses_what_cannot_run(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_dataflow(nodes, ["a", "b"])


def test_an_addition_reads_two_values() -> None:
    with pytest.raises(ValueError, match="reads 2 values"):
        Node("add", "add", ("a",))
