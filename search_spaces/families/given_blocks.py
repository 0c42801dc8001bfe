"""Whether blocks of a given network are kept, as choices, and when its nodes are there.

Beside widths, blocks may be left out whose ends have the same channels, as those with a shortcut have: what reads the
end of one reads as many channels from its beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from search_spaces.channels.coupled_channels import ChannelGroup, CoupledChannels
from search_spaces.choices import Choice, Value
from search_spaces.dataflow import Presence, get_layer_name
from search_spaces.families.given_widths import ChannelWidths
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.removable_blocks import RemovableBlocks

KEPT = "kept"  # dimension of the choices: 0 leaves a block out, 1 keeps it


class BlockChoices:
    """The choices whether each of some blocks is kept; they are made apart from one another.

    Args:
        graph: The network.
        names: Names of the blocks that may be left out.

    Attributes:
        removable: The blocks of the graph.
        choices: A choice for each of the blocks that may be left out, in execution order.

    Raises:
        ValueError: If a name is that of no block.
    """

    def __init__(self, graph: NetworkGraph, names: Collection[str]) -> None:
        self.removable = RemovableBlocks.from_graph(graph)
        self.removable.remove(names)  # refuses unknown ones
        self.choices = [Choice(f"{name}.{KEPT}", (0, 1)) for name in self.removable.names if name in names]
        self._names = frozenset(names)
        self._users: dict[str, list[str]] = {}
        for node in graph.nodes:
            for name in node.parameters:
                self._users.setdefault(name, []).append(node.name)

    def find_genes(self, node: str) -> tuple[str, ...]:
        """The choices of the blocks of which one or more must be kept for a node to be there; none if it always is.

        Args:
            node: Name of the node.
        """
        needed = self.removable.needed_by.get(node, ())
        return tuple(f"{name}.{KEPT}" for name in needed) if self._names.issuperset(needed) else ()

    def find_tensor_genes(self, tensor: str) -> tuple[str, ...]:
        """The same for a stored tensor: of the blocks whose nodes use it, if all that do may be left out.

        Args:
            tensor: Its name.
        """
        found = [self.find_genes(node) for node in self._users[tensor]]
        together = {gene for genes in found for gene in genes} if all(found) else set()
        return tuple(choice.name for choice in self.choices if choice.name in together)

    def find_group_gene(self, group: ChannelGroup) -> str | None:
        """The choice of the one block that has all channels of a group; None if they are elsewhere, too.

        Args:
            group: A group of channels of the graph.
        """
        found = {self.find_tensor_genes(tensor) for (tensor, _), _ in group.places}
        (genes, *others) = found
        return genes[0] if len(genes) == 1 and not others else None

    def find_presence(self, nodes: Sequence[Node], value: Mapping[str, str]) -> Mapping[str, Presence]:
        """When networks have the nodes of a dataflow.

        Args:
            nodes: The nodes, in which layers are slots.
            value: For each node of the graph that runs fused with a call of a layer, the slot of that call.
        """
        blocks = {f"{block.name}.{KEPT}": block for block in self.removable.blocks}
        inputs, seen, found = [name for name, _ in self.removable.graph.inputs], set[str](), dict[str, Presence]()
        for node in nodes:
            genes, layer = self.find_genes(node.name), get_layer_name(node)
            entries = [value.get(blocks[gene].entry, blocks[gene].entry) for gene in genes]
            layers = tuple(blocks[gene].layers[0] for gene in genes)
            # constants may stand before the block that reads them; nothing reads what stands in their place
            bypass = entries[0] if entries[:1] and entries[0] in seen else inputs[0]
            found[node.name] = Presence((layer,) if layer and layers else layers, bypass) if layers else Presence()
            seen.add(node.name)
        return found


def list_choices(blocks: BlockChoices | None, widths: ChannelWidths | None) -> list[Choice]:
    """Whether each block is kept, then the width of each group; that of a group within a block is active if it is.

    Args:
        blocks: Choices of blocks, if there are any.
        widths: Choices of widths, if there are any.
    """
    found = [*blocks.choices] if blocks else []
    for choice in widths.choices if widths else ():
        gene = blocks.find_group_gene(widths.find_group(choice.name)) if blocks and widths else None
        found.append(choice if gene is None else replace(choice, active_when=(gene, (1,))))
    return found


def is_there(genes: Sequence[str], values: Sequence[Value]) -> bool:
    """Whether a network has what some choices of blocks decide.

    Args:
        genes: Names of the choices; none if every network has it.
        values: Their values, and maybe those of others.
    """
    return not genes or any(values[: len(genes)])


def list_blocks_beside_widths(graph: NetworkGraph) -> tuple[str, ...]:
    """Names of the blocks that may be left out where channels are removed, too: their ends have the same channels.

    Args:
        graph: The network.
    """
    channels = CoupledChannels.from_graph(graph)

    def have_same(entry: str, exit: str) -> bool:
        ends = zip(channels.values[entry], channels.values[exit], strict=True)
        return all(np.array_equal(one, other) for one, other in ends)

    blocks = RemovableBlocks.from_graph(graph).blocks
    return tuple(block.name for block in blocks if have_same(block.entry, block.exit))
