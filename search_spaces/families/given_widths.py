"""The widths of groups of channels of a given network as choices, and what its nodes become at them.

Which channels are kept does not matter here: shapes and costs depend on their number alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from math import prod

import numpy as np

from search_spaces.channels.coupled_channels import FIXED, ChannelGroup, CoupledChannels
from search_spaces.channels.rule import KeptElements
from search_spaces.choices import Choice, Value
from search_spaces.dataflow import OperatorSlot
from search_spaces.network_graph import NetworkGraph, Node, WeightedLayer
from search_spaces.operators.operator import Operator

GroupWidths = tuple[tuple[int, ...], ...]  # for each group of channels of a network its widths, rising to all channels
MOST_TOGETHER = 4096  # combinations of the widths that decide one layer
_REMEMBERED = 1 << 12  # choices of channels, of which neighbouring layers ask for the same ones


class ChannelWidths:
    """The widths of the groups of channels of a graph; a width keeps the first channels of its group.

    Args:
        graph: The network.
        widths: For each group of `CoupledChannels.from_graph` its widths; a group of one width is no choice.

    Attributes:
        channels: The channels of the graph.
        choices: The width of each group that has several.

    Raises:
        ValueError: If there are more or fewer entries than groups, or no group has two or more widths, or widths do not
            rise from 1 or more to all channels of a group.
    """

    def __init__(self, graph: NetworkGraph, widths: GroupWidths) -> None:
        self.channels = CoupledChannels.from_graph(graph)
        groups = self.channels.groups
        if len(widths) != len(groups):
            raise ValueError(f"each of {len(groups)} groups of channels needs widths, got {len(widths)} entries")
        for group, known in zip(groups, widths, strict=True):
            if not (known and known[0] >= 1 and known[-1] == group.size and list(known) == sorted({*known})):
                raise ValueError(f"widths of {group.name} must rise from 1 or more to {group.size}, got {known}")
        if not any(len(known) > 1 for known in widths):
            raise ValueError("no group of channels of the network has two or more widths; take more of them")
        seen = Counter[str]()
        self._gene_of: dict[int, str] = {}
        for index, group in enumerate(groups):
            (tensor, _), _ = group.places[0]  # of the layer that yields these channels first
            name = tensor.removesuffix(".weight")
            seen[name] += 1
            name = name if seen[name] == 1 else f"{name}.{seen[name]}"
            if len(widths[index]) > 1:
                self._gene_of[index] = f"{name}.width"
        self._group_of = {gene: index for index, gene in self._gene_of.items()}
        self.choices = [Choice(gene, widths[index]) for index, gene in self._gene_of.items()]
        self._number = np.repeat(np.arange(len(groups)), [group.size for group in groups])
        self._kept = lru_cache(_REMEMBERED)(self._keep_first)

    def find_group(self, gene: str) -> ChannelGroup:
        """The group of channels whose width a choice is.

        Args:
            gene: Name of the choice.
        """
        return self.channels.groups[self._group_of[gene]]

    def keep(self, genes: Sequence[str], widths: Sequence[Value]) -> KeptElements:
        """The channels that widths leave, the first of each group and all of other groups, shape (channels,).

        Args:
            genes: Names of choices.
            widths: Their values.
        """
        return self._kept(tuple(genes), tuple(widths))

    def find_genes(self, node: Node) -> tuple[str, ...]:
        """The choices that decide what a node is: those of the channels that it reads, uses or yields."""
        axes = [axis for name in (*node.inputs, node.name) for axis in self.channels.values[name]]
        axes += [axis for name in node.parameters for axis in self.channels.tensors[name]]
        return self._name_genes(axes)

    def find_tensor_genes(self, name: str) -> tuple[str, ...]:
        """The choices that decide the shape of a stored tensor."""
        return self._name_genes(self.channels.tensors[name])

    def find_layer_genes(self, layer: WeightedLayer) -> tuple[str, ...]:
        """The choices that decide what a layer is at all of its calls.

        Raises:
            ValueError: If their widths have very many combinations.
        """
        genes = self._sort({gene for unit in layer.units for gene in self.find_genes(unit.call)})
        self.check_count(f"layer {layer.name}", genes)
        return genes

    def check_count(self, what: str, genes: Sequence[str]) -> None:
        """Refuses what too many combinations of widths decide.

        Args:
            what: What they decide, for the message.
            genes: Names of the choices.

        Raises:
            ValueError: If they have more than 4,096 combinations.
        """
        sizes = {choice.name: len(choice.values) for choice in self.choices}
        count = prod(sizes[gene] for gene in genes)
        if not count <= MOST_TOGETHER:
            raise ValueError(
                f"{what} depends on {len(genes)} groups of channels, whose widths have {count:,} combinations, more "
                f"than {MOST_TOGETHER:,}; take fewer widths"
            )

    def find_operator_slots(self, nodes: Sequence[Node]) -> Mapping[str, OperatorSlot]:
        """The nodes whose operators widths decide, by name.

        Args:
            nodes: Nodes of the graph.

        Raises:
            ValueError: If the widths that decide one have very many combinations.
        """
        smallest = self.keep([choice.name for choice in self.choices], [choice.values[0] for choice in self.choices])
        found = {}
        for node in nodes:
            if self.channels.narrow_node(node, smallest)[0] != node.operator:
                genes = self.find_genes(node)
                self.check_count(f"node {node.name}", genes)
                found[node.name] = OperatorSlot(genes, partial(self._narrow_operator, node, genes))
        return found

    def _narrow_operator(self, node: Node, genes: tuple[str, ...], widths: Sequence[Value]) -> Operator:
        return self.channels.narrow_node(node, self.keep(genes, widths))[0]

    def _name_genes(self, axes: Sequence[np.ndarray]) -> tuple[str, ...]:
        groups = {int(group) for axis in axes for group in np.unique(self._number[axis[axis != FIXED]])}
        return self._sort({self._gene_of[group] for group in groups if group in self._gene_of})

    def _sort(self, genes: set[str]) -> tuple[str, ...]:
        return tuple(choice.name for choice in self.choices if choice.name in genes)

    def _keep_first(self, genes: tuple[str, ...], widths: tuple[Value, ...]) -> KeptElements:
        kept = self.channels.keep_all()
        for gene, width in zip(genes, widths, strict=True):
            group = self.find_group(gene)
            kept[group.first + int(width) : group.first + group.size] = False
        kept.flags.writeable = False  # it is shared by all who ask
        return kept
