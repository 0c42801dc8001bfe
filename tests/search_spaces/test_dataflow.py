"""How layers are joined, and what is left of it where layers are missing."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.dataflow import IMAGES, Slot, check_dataflow, make_chain, make_slot, select_present_nodes
from search_spaces.network_graph import Node
from search_spaces.operators.arrangement import GlobalPool
from search_spaces.operators.products import Add, Multiply
from search_spaces.search_space import SearchSpace

BLOCK = [
    make_slot("stem", IMAGES),
    make_slot("block.expand", "stem"),
    Node("block.pool", GlobalPool(keep=True), ("block.expand",)),
    make_slot("block.excite", "block.pool"),
    Node("block.gate", Multiply(), ("block.expand", "block.excite")),
    make_slot("block.project", "block.gate"),
    Node("block.add", Add(), ("block.project", "stem")),
    Node("pool", GlobalPool(), ("block.add",)),
    make_slot("head", "pool"),
]


def test_missing_blocks_are_passed_by() -> None:
    layers = [node.name for node in BLOCK if isinstance(node.operator, Slot)]
    assert select_present_nodes(BLOCK, layers) == BLOCK
    pool = Node("pool", GlobalPool(), ("stem",))  # is of no block, so it is always there
    assert select_present_nodes(BLOCK, ["stem", "head"]) == [make_slot("stem", IMAGES), pool, make_slot("head", "pool")]


def test_a_missing_layer_passes_its_input_on() -> None:
    nodes = {node.name: node for node in select_present_nodes(BLOCK, ["stem", "block.excite", "block.project", "head"])}
    assert "block.expand" not in nodes
    assert nodes["block.gate"].inputs == ("stem", "block.excite")


def test_a_slot_tells_no_shape() -> None:
    with pytest.raises(ValueError, match="what genes put into a slot decides"):
        Slot().output_shape((3, 8, 8))


def test_every_network_reads_what_is_there_and_every_layer_is_read(space: SearchSpace) -> None:
    genes = np.random.default_rng(0).integers(0, space.cardinalities, size=(20, len(space.cardinalities)))
    for row in genes:
        names = [layer.name for layer in space.layers(space.decode(row.astype(np.int16)))]
        nodes = select_present_nodes(space.nodes, names)
        check_dataflow(nodes, names)
        read = {name for node in nodes for name in node.inputs}
        assert {node.name for node in nodes} - read == {nodes[-1].name}


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (make_chain(["a"]), "one slot per layer"),
        ((*make_chain(["a"]), make_slot("b", "c")), "read earlier values"),
        (make_chain(["a", "b", "a"]), "a name of its own"),
    ],
)
def test_refuses_what_cannot_run(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_dataflow(nodes, ["a", "b"])
