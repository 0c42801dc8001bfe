"""The blocks of a network that can be left out, and the network without some of them.

A block begins and ends at values of one shape, through which all that follows must pass; what reads its end reads its
beginning instead. Independent of any runtime and of where a network comes from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from search_spaces.network_graph import NetworkGraph, Node, WeightedLayer
from search_spaces.operators.pointwise import Activation, BatchNorm

_Span = tuple[int, int]  # indices of the nodes at whose values a block begins and ends


@dataclass(frozen=True, slots=True)
class RemovableBlock:
    """A block that can be left out, such as an inverted residual, an attention with its shortcut, or one of its layers.

    Attributes:
        name: What the names of its layers have in common; if that is nothing, or another block has it, that of the
            first of them.
        entry: Name of the value that the block reads.
        exit: Name of the value that it yields, of the same shape.
        layers: Names of its layers, which nothing else calls.
    """

    name: str
    entry: str
    exit: str
    layers: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RemovableBlocks:
    """The blocks of a graph that can be left out, each for itself.

    Attributes:
        graph: The graph.
        blocks: The blocks, in execution order.
        needed_by: Of each node that some networks without blocks lack, by name, the names of the blocks of which one or
            more must be there for the node to be.
    """

    graph: NetworkGraph
    blocks: tuple[RemovableBlock, ...]
    needed_by: Mapping[str, tuple[str, ...]]

    @classmethod
    def from_graph(cls, graph: NetworkGraph) -> RemovableBlocks:
        """Finds the blocks of a graph.

        All that layers have computed must pass through the ends of a block, one after the other, so those within the
        branches of others are none. A normalisation or an activation that follows on a block is its last part if its
        input ends with one of the kind. What the network returns is no end of a block, and its first layer is in none.
        Nor is a layer that is called elsewhere, too. Where leaving a block out would fuse other layers with other
        normalisations or activations, it stays.
        """
        spans = [*_find_spans(graph)]
        while True:
            needed = _find_needed(graph, spans)
            shared = {number for layer in graph.layers for number in _find_shared(layer, needed)}
            if not (staying := shared | _find_refusing(graph, spans)):
                break
            spans = [span for number, span in enumerate(spans) if number not in staying]
        blocks: list[RemovableBlock] = []
        for number, span in enumerate(spans):
            entry, exit = (graph.nodes[index].name for index in span)
            own = tuple(layer.name for layer in graph.layers if needed[layer.units[0].call.name] == {number})
            blocks.append(RemovableBlock(_name(own, [one.name for one in blocks]), entry, exit, own))
        return cls(
            graph,
            tuple(blocks),
            {
                name: tuple(blocks[number].name for number in sorted(numbers))
                for name, numbers in needed.items()
                if numbers is not None
            },
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the blocks."""
        return tuple(block.name for block in self.blocks)

    def remove(self, removed: Collection[str], graph: NetworkGraph | None = None) -> NetworkGraph:
        """The graph without some blocks; other nodes and all stored tensors keep their names.

        Args:
            removed: Names of the blocks that are left out.
            graph: The graph, or what it is with fewer channels; None takes the graph itself.

        Raises:
            ValueError: If a name is that of no block.
        """
        if unknown := [name for name in removed if name not in self.names]:
            known = ", ".join(self.names) or "none"
            raise ValueError(f"the blocks that can be left out are {known}; got {unknown[0]!r}")
        graph = graph or self.graph
        value: dict[str, str] = {}
        for block in self.blocks:
            if block.name in removed:
                value[block.exit] = value.get(block.entry, block.entry)
        nodes = (
            replace(node, inputs=tuple(value.get(name, name) for name in node.inputs))
            for node in graph.nodes
            if node.name not in self.needed_by or not set(self.needed_by[node.name]) <= set(removed)
        )
        return replace(graph, nodes=tuple(nodes))


def _find_spans(graph: NetworkGraph) -> Iterator[_Span]:
    """The ends of blocks that may be left out: of the same shape, and with a layer between them."""
    nodes, trunk = graph.nodes, [*_find_trunk(graph)]
    shapes = [graph.shapes[nodes[index].name] for index in trunk]
    weighted = [any(node.weight for node in _find_inside(graph, span)) for span in pairwise(trunk)]
    at = 0
    while at < len(weighted):
        begin, end = at, at + 1
        if weighted[begin] and shapes[begin] == shapes[end]:
            for later in range(end + 1, len(trunk)):
                if weighted[later - 1] or shapes[later] != shapes[begin]:
                    break
                end = later if _is_of_one_kind(nodes[trunk[begin]], nodes[trunk[later]]) else end
            if nodes[trunk[end]].name not in graph.outputs:
                yield trunk[begin], trunk[end]
        at = end


def _find_trunk(graph: NetworkGraph) -> Iterator[int]:
    """Indices of the nodes, none within a unit, after which all that layers have computed is in their value alone."""
    units = [unit for layer in graph.layers for unit in layer.units]
    fused = {unit.call.name for unit in units if unit.norm or unit.activation}
    fused |= {unit.norm.name for unit in units if unit.norm and unit.activation}
    left = Counter(name for node in graph.nodes for name in set(node.inputs)) + Counter(graph.outputs)
    computed, live = set[str](), set[str]()
    for index, node in enumerate(graph.nodes):
        if node.weight is not None or not computed.isdisjoint(node.inputs):
            computed.add(node.name)
            live.add(node.name)
        left.subtract(set(node.inputs))
        live = {name for name in live if left[name] > 0}
        if live == {node.name} and node.name not in fused:
            yield index


def _find_inside(graph: NetworkGraph, span: _Span) -> list[Node]:
    """The nodes that follow from the value at which a block begins, up to the one at which it ends."""
    begin, end = span
    found, reached = list[Node](), {graph.nodes[begin].name}
    for node in graph.nodes[begin + 1 : end + 1]:
        if not reached.isdisjoint(node.inputs):
            reached.add(node.name)
            found.append(node)
    return found


def _is_of_one_kind(node: Node, other: Node) -> bool:
    """Whether two nodes are normalisations of one kind, the same activation, or the like."""
    same = type(node.operator) is type(other.operator)
    return same and (node.operator == other.operator or not isinstance(node.operator, Activation))


def _find_needed(graph: NetworkGraph, spans: Sequence[_Span]) -> Mapping[str, set[int] | None]:
    """By name of each node the numbers of the blocks that need it; None of one that is there without them all."""
    inside = {node.name: number for number, span in enumerate(spans) for node in _find_inside(graph, span)}
    entries = {graph.nodes[begin].name for begin, _ in spans}
    needed: dict[str, set[int] | None] = {}
    for node in reversed(graph.nodes):
        known = [needed[reader.name] for reader in graph.readers[node.name]]
        there = node.name in entries or node.name in graph.outputs or not known or None in known
        needed[node.name] = None if there else set().union(*(numbers for numbers in known if numbers is not None))
        if node.name in inside:
            needed[node.name] = {inside[node.name]}
    return needed


def _find_shared(layer: WeightedLayer, needed: Mapping[str, set[int] | None]) -> set[int]:
    """The blocks that need a layer, if anything else does as well."""
    calls = [needed[unit.call.name] for unit in layer.units]
    together = set().union(*(numbers for numbers in calls if numbers is not None))
    return set() if all(numbers == together for numbers in calls) and len(together) == 1 else together


def _find_refusing(graph: NetworkGraph, spans: Sequence[_Span]) -> set[int]:
    """The blocks whose only reader would run fused with a layer before them, or before blocks that end there."""
    units = [unit for layer in graph.layers for unit in layer.units if unit.activation is None]
    opened = {unit.accumulated.name for unit in units}
    begins: dict[str, set[str]] = {}
    found = set()
    for number, span in enumerate(spans):
        begin, end = (graph.nodes[index].name for index in span)
        begins[end] = {begin, *begins.get(begin, ())}
        readers = graph.readers[end]
        fusable = len(readers) == 1 and isinstance(readers[0].operator, Activation | BatchNorm)
        if fusable and not opened.isdisjoint(begins[end]):
            found.add(number)
    return found


def _name(layers: Sequence[str], taken: Collection[str]) -> str:
    """What the names of layers have in common, up to a dot."""
    parts = takewhile(lambda part: len(set(part)) == 1, zip(*(name.split(".") for name in layers), strict=False))
    common = ".".join(part[0] for part in parts)
    return layers[0] if common in ("", *taken) else common
