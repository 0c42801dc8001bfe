"""Layers are looked up by the genes that decide them."""

from __future__ import annotations

from itertools import product

import numpy as np

from search_spaces.choices import Value
from search_spaces.layer_slot import LayerSlot, LayerTable
from search_spaces.layer_spec import LayerSpec

DEPTHS, WIDTHS = (1, 2), (8, 16, 24)


def _linear(name: str, width: Value) -> LayerSpec:
    return LayerSpec.linear(name, 4, int(width))


SLOTS = [
    LayerSlot("fixed", (), lambda _: _linear("fixed", 4)),
    LayerSlot("block.first", ("width",), lambda values: _linear("block.first", values[0])),
    LayerSlot("block.second", ("width", "depth"), lambda v: _linear("block.second", v[0]) if v[1] == 2 else None),
]


def test_a_layer_belongs_to_the_block_that_its_name_begins_with() -> None:
    assert [slot.block for slot in SLOTS] == ["fixed", "block", "block"]


def test_each_network_has_the_layers_of_its_genes() -> None:
    values = {"depth": DEPTHS, "width": WIDTHS}
    layers = [[slot.layer(each) for each in product(*(values[gene] for gene in slot.genes))] for slot in SLOTS]
    table = LayerTable([[], [1], [1, 0]], np.array([2, 3]), layers)
    genes = np.array(list(product(range(2), range(3))), dtype=np.int16)
    for (depth, width), found in zip(genes, table(genes), strict=True):
        names = ["block.first", "block.second"][: DEPTHS[depth]]
        assert found == (_linear("fixed", 4), *(_linear(name, WIDTHS[width]) for name in names))
    assert table(genes[:0]) == []


def test_networks_of_a_space_without_slots_have_no_layers() -> None:
    assert LayerTable([], np.array([2]), [])(np.zeros((3, 1), np.int16)) == [(), (), ()]
