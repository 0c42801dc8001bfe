"""Nodes run in order, and a value is forgotten once nobody reads it any more."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from search_spaces.dataflow import IMAGES, make_slot
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.wiring import Walk, WiredNetwork
from search_spaces.layer_spec import LayerSpec
from search_spaces.network_graph import Node
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.products import Add
from search_spaces.operators.weighted import Convolution

RELU = Activation("relu")


class _Value:
    """Counts how many values are alive."""

    alive = 0

    def __init__(self) -> None:
        _Value.alive += 1

    def __del__(self) -> None:
        _Value.alive -= 1


def test_a_walk_keeps_no_value_beyond_its_last_reader() -> None:
    nodes = [Node(f"{index}", RELU, (f"{index - 1}" if index else "in",)) for index in range(6)]
    nodes[4] = Node("4", Add(), ("3", "1"))
    most = 0

    def run(_node: Node, _inputs: list[Any]) -> _Value:
        nonlocal most
        value = _Value()
        most = max(most, _Value.alive)
        return value

    found = Walk(nodes, ["5", "0"])({"in": 0}, run)
    assert (len(found), most) == (2, 4)  # at most: 0, which is wanted, 1, which is read late, and the last two


def test_layers_that_are_missing_are_left_out_and_names_stay() -> None:
    nodes = [make_slot("stem", IMAGES), make_slot("body.conv", "stem"), Node("body.add", Add(), ("body.conv", "stem"))]
    nodes.append(make_slot("head", "body.add"))
    layers = {name: Layer(LayerSpec.conv(name, Convolution.square(2, 2), 3)) for name in ("stem", "body.conv", "head")}
    whole = WiredNetwork(nodes, layers).eval()
    assert {name.rsplit(".op", 1)[0] for name in whole.state_dict() if ".op." in name} == set(layers)
    part = WiredNetwork(nodes, {name: layers[name] for name in ("stem", "head")}).eval()
    images = torch.rand(1, 2, 3, 3)
    torch.testing.assert_close(part(images), nn.Sequential(layers["stem"], layers["head"])(images))
