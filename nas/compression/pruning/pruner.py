"""Removes channels and blocks from a network, and fits what is left of it to what the whole network yields."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from nas.compression.pruning.narrow_network import narrow_network, remove_blocks
from nas.compression.repair.batched_walk import run_batches
from nas.compression.repair.layer_fitter import LayerFitter
from nas.compression.repair.recipe import LIGHT, Recipe
from nas.compression.repair.references import LayerReference, record_references
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.channels.coupled_channels import FIXED, CoupledChannels
from search_spaces.channels.rule import KeptElements
from search_spaces.compression_policy import FULL_PRECISION_BITS, CompressionPolicy, LayerPolicy
from search_spaces.network_graph import Node
from search_spaces.removable_blocks import RemovableBlocks


class Pruner:
    """Removes any choices of channels and blocks from one network; the original is run once.

    Each layer gets the weights that yield, from what the narrow network lets it read, what the layer of the whole one
    yields (least squares over unlabelled inputs; He et al., "Channel pruning", ICCV 2017, section 3.1): it makes up for
    what is gone. It is done layer by layer, as `repair_network` does it for rounded layers, with the mean put right in
    biases and norms.

    Args:
        subject: The network and its calibration data.
        channels: Its channels, as `CoupledChannels.from_graph` finds them.
        recipe: At how many outputs layers are fitted, and how firmly they are held to their weights; its rounding is
            not used.

    Raises:
        ValueError: If the subject has no data.
    """

    def __init__(self, subject: CompressionSubject, channels: CoupledChannels, recipe: Recipe = LIGHT) -> None:
        self._subject, self._channels, self._recipe = subject, channels, recipe
        self._data = subject.need_data()
        self._references = record_references(subject.traced, self._data, recipe.rows, recipe.seed)
        self._units = {
            layer.units[0].call.name: layer.units[0]
            for layer in subject.traced.graph.layers
            if layer.units[0].call.name in self._references and self._has_one_axis(layer.units[0].call)
        }

    @torch.no_grad()
    def prune(self, kept: KeptElements, readers_alone: bool = False, removed: Collection[str] = ()) -> TracedNetwork:
        """The network without the channels that are not kept, and without some blocks.

        Args:
            kept: Whether each channel is kept, shape (channels,).
            readers_alone: Whether only layers that read removed channels are fitted, else all layers, which make up for
                what is wrong before them as well.
            removed: Names of the blocks (`RemovableBlocks`) that are left out; with fewer channels these are to be
                blocks that `search_spaces.families.given_blocks` allows beside widths.

        Raises:
            ValueError: If nothing of a group is kept, or a name is that of no block.
        """
        traced = self._subject.traced
        narrow, elements = narrow_network(traced, self._channels, kept), self._channels.tensor_elements(kept)
        if removed:
            narrow = remove_blocks(narrow, self._blocks, removed)
        network = compress(narrow, CompressionPolicy((LayerPolicy(),) * len(narrow.graph.layers)))
        units = {layer.units[0].call.name: layer.units[0] for layer in narrow.graph.layers}
        chosen = [
            name
            for name, unit in self._units.items()
            if name in units and not (readers_alone and all(axis.all() for axis in elements[unit.call.parameters[0]]))
        ]
        references = {name: self._narrow_reference(name, kept) for name in chosen}
        fitted = {name: (units[name], FULL_PRECISION_BITS) for name in chosen}
        fitter = LayerFitter(network, fitted, references, self._recipe)
        run_batches(network, [*self._data], fitter.fit, fitter.see)
        tensors = {
            name: network.tensor(name).detach().requires_grad_(traced.parameters[name].requires_grad)
            for name in narrow.parameters
        }
        return replace(narrow, parameters=tensors)

    @cached_property
    def _blocks(self) -> RemovableBlocks:
        return RemovableBlocks.from_graph(self._subject.traced.graph)

    def _narrow_reference(self, name: str, kept: KeptElements) -> LayerReference:
        """What a layer should yield, of the channels that are kept."""
        whole, axis = self._references[name], self._output_axis(self._units[name].call)
        numbers = self._channels.values[name][axis]
        there = torch.from_numpy((numbers == FIXED) | kept[numbers])

        def select(rows: Collection[Tensor]) -> list[Tensor]:
            return [one[:, there] for one in rows]

        return replace(whole, outputs=select(whole.outputs), others=select(whole.others))

    def _has_one_axis(self, call: Node) -> bool:
        """Whether a call writes channels that can be removed along their own axis alone, and none of its positions."""
        axis = self._output_axis(call)
        others = [numbers for place, numbers in enumerate(self._channels.values[call.name]) if place != axis]
        return all((numbers == FIXED).all() for numbers in others)

    def _output_axis(self, call: Node) -> int:
        """The axis of the channels that a call writes, from the first."""
        kernel = getattr(call.operator, "kernel", ())
        return len(self._channels.graph.shapes[call.name]) - 1 - len(kernel)
