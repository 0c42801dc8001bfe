"""Opaque nodes that cannot be called are found as a file is loaded; those that can be called run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nas.compression.tracing.trace import TracedNetwork, trace
from nas.export.network_file import load_network, store_network
from nas.export.opaque_check import check_opaque_calls
from nas.tensor_files import read_tensors, save_tensors
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.network_graph import NetworkGraph
from search_spaces.operators.opaque import Opaque

IMAGES = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class Windows(nn.Module):
    """Operations with axes, sizes, types, several outputs and several times the batch, which no operator describes."""

    order: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 4)
        self.register_buffer("order", torch.tensor([3, 1, 2, 0]))

    def forward(self, images: Tensor) -> Tensor:
        windows = torch.roll(self.conv(images), (1, 1), (2, 3)).unfold(2, 2, 2).unfold(3, 2, 2)
        pixels = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, 8, 2, 2).amax((2, 3)).reshape(-1, 9, 8)
        top, which = self.linear(pixels).cumsum(1).topk(2, 1)
        joined = torch.cat([top.flatten(1), which.float().flatten(1)], 1).index_select(1, self.order)
        kept = torch.where(joined > 0, joined, torch.zeros_like(joined)).clamp(min=0.1)
        return torch.einsum("ni,nj->nij", kept, kept).flatten(1)


class Counted(nn.Module):
    """Reads tokens, and runs at one batch size alone."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.linear = nn.Embedding(7, 4), nn.Linear(4, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        known = torch.nn.functional.one_hot(tokens, 7).sum(1)
        rows: Tensor = self.linear(self.table(tokens).cumsum(1)[:, -1])
        return rows + known[:, :3].reshape(2, 3)


def make_windows() -> TracedNetwork:
    torch.manual_seed(0)
    return trace(Windows().eval(), [IMAGES])


def damage(value: Any) -> Iterator[Any]:
    """An argument with each of its parts lost, of another type, out of range, or one too many."""
    if isinstance(value, list):
        for index, part in enumerate(value):
            for put in ([], ["x"], [None], [10**6], [-9], [[part]], [{"input": 5}], [{"dtype": "load"}], [part, part]):
                yield [*value[:index], *put, *value[index + 1 :]]
            for damaged in damage(part):
                yield [*value[:index], damaged, *value[index + 1 :]]
    elif isinstance(value, dict):
        yield from ({}, {**value, "more": 1}, *({**value, name: "x"} for name in value))


def with_arguments(graph: NetworkGraph, name: str, arguments: str) -> NetworkGraph:
    nodes = tuple(
        replace(node, operator=replace(node.operator, arguments=arguments)) if node.name == name else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)


def find_refusal(graph: NetworkGraph, traced: TracedNetwork) -> str | None:
    try:
        check_opaque_calls(graph, traced.parameters)
    except ValueError as error:
        return str(error)
    return None


def test_whatever_can_be_called_runs_and_all_else_is_named() -> None:
    traced = make_windows()
    assert len(traced.opaque) > 8
    check_opaque_calls(traced.graph, traced.parameters)
    refused = taken = 0
    for node in traced.graph.nodes:
        if not isinstance(node.operator, Opaque):
            continue
        for arguments in damage(json.loads(node.operator.arguments)):
            graph = with_arguments(traced.graph, node.name, json.dumps(arguments))
            if (said := find_refusal(graph, traced)) is None:
                GraphNetwork(graph, traced.parameters)(IMAGES)
                taken += 1
                continue
            assert said.startswith("node ")
            assert said.isprintable()
            refused += 1
    assert refused > 20 * taken > 0  # one axis for another, or another limit, is no damage


def test_a_file_is_refused_by_the_name_of_its_node(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    traced = make_windows()
    store_network(traced.network(), IMAGES).save(path)
    load_network(path)
    stored = read_tensors(path, "network", "")
    wrong = with_arguments(traced.graph, "cumsum", '[[{"input":0},7],{}]').to_json()
    save_tensors(path, stored.tensors, stored.header | {"graph": stored.header["graph"] | {"graph": wrong}})
    words = r'node cumsum, aten\.cumsum\.default of \[\[{"input":0},7\],{}\], cannot be run: .*out of range.*; write it'
    with pytest.raises(ValueError, match=words):
        load_network(path)


def test_a_value_has_the_shape_that_is_stated() -> None:
    traced = make_windows()
    shorter = with_arguments(traced.graph, "_unsafe_view", '[[{"input":0},[{"batch":1},72,2,2]],{}]')
    with pytest.raises(ValueError, match=r"_unsafe_view.* has the shape \(7, 72, 2, 2\), and the graph states \(9, 8"):
        check_opaque_calls(shorter, traced.parameters)


def test_tokens_and_one_batch_size_are_right() -> None:
    traced = trace(Counted().eval(), [torch.randint(7, (2, 5))])
    assert traced.why_fixed
    assert traced.opaque
    check_opaque_calls(traced.graph, traced.parameters)
