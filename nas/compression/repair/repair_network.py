"""Compresses a network under a policy layer by layer, each fitted to the original network.

Every layer is rounded with second-order statistics of its inputs (GPTQ, Frantar et al., ICLR 2023; QuantEase, Behdad et
al., 2023), as the sequential mode of AdaQuant does it (Hubara et al., ICML 2021): the inputs are those that the layers
before it yield once they are compressed, the outputs to be met those of the original network. Two more things are
fitted exactly. The mean error goes into the bias, or into the mean of the normalisation that follows. And where the
output of a layer is added to a shortcut, the output to be met is what the sum still lacks, so that a layer makes up for
the errors of the shortcut too. Where there is little to make up for, a sample of inputs may mislead: a layer keeps its
nearest codes if these do better on some of the inputs, to which nothing is fitted. The second factor of a
layer of low rank makes up for what the first one left out, and what is left of a sparse layer for what was made zero.
The factors of a correction are fitted with the layer that they correct.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from nas.compression.compress import calibrate, fix_range
from nas.compression.repair.batched_walk import run_batches
from nas.compression.repair.layer_fitter import LayerFitter
from nas.compression.repair.layer_rows import can_be_rows
from nas.compression.repair.recipe import LIGHT, Recipe
from nas.compression.repair.references import record_references
from nas.compression.repair.repair import Repair, output_distance, outputs_on
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.reduced_network import (
    list_approximate_weights,
    list_corrections,
    list_sparse_weights,
)
from search_spaces.compression_policy import FULL_PRECISION_BITS, CompressionPolicy
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.network_graph import Node


class Repairer:
    """Compresses one network under any number of policies; the original is run once.

    Args:
        subject: The network, its calibration data, and the observer of activations. Weights that no rows can be read
            for, such as embeddings, are rounded by the quantiser of its methods.
        recipe: How layers are rounded.

    Raises:
        ValueError: If the subject has no data.
    """

    def __init__(self, subject: CompressionSubject, recipe: Recipe = LIGHT) -> None:
        self._recipe, self._data = recipe, subject.need_data()
        if recipe.equalization is not None:
            subject = replace(subject, traced=recipe.equalization.equalize(subject))
        self._subject = subject
        self._references = record_references(subject.traced, self._data, recipe.rows, recipe.seed)

    @torch.no_grad()
    def repair(self, policy: CompressionPolicy) -> GraphNetwork:
        """A calibrated network that rounds as the policy says.

        Its weights lie on their grids, so whatever exports it writes these codes.

        Args:
            policy: One entry for each of the layers of the network.

        Raises:
            ValueError: If the policy has more or fewer entries than the network has layers.
        """
        methods, traced = self._subject.methods, self._subject.traced
        network = self._subject.compress(policy)
        fitted, corrections = set(list_approximate_weights(traced, policy)), list_corrections(traced, policy)
        factors = {name for pair in corrections.values() for name in pair}
        whole = {layer.weight: layer.units[0] for layer in traced.graph.layers}  # with what lies behind a correction
        bits = {
            layer.units[0].call.name: (
                whole[layer.weight] if layer.weight in corrections else layer.units[0],
                FULL_PRECISION_BITS if quantizer is None else quantizer.bits,
            )
            for layer in network.graph.layers
            if ((quantizer := network.weight_quantizer(layer.weight)) is not None or layer.weight in fitted)
            and can_be_rows(layer.operator)
            and layer.weight not in factors
        }
        sparse = set(list_sparse_weights(traced, policy))
        fitter = LayerFitter(network, bits, self._references, self._recipe, sparse, corrections)
        if self._recipe.sequential:

            def prepare(node: Node, inputs: Sequence[Sequence[Any]]) -> None:
                fitter.fit(node, inputs)
                module = network.node_module(node.name)
                if isinstance(module, ActivationQuantizer) and module.bits != FULL_PRECISION_BITS:
                    fix_range(module, inputs[0], methods.observer)

            run_batches(network, [*self._data], prepare, fitter.see)
        else:
            exact = CompressionPolicy(
                tuple(replace(entry, quantization=None, correction=None) for entry in policy.layers)
            )
            run_batches(self._subject.view_compressed(exact), [*self._data], fitter.fit, fitter.see)
            calibrate(network, self._data, methods.observer)
        for repair in self._recipe.repairs:
            network = self._keep_closer(network, repair)
        return network

    def _keep_closer(self, network: GraphNetwork, repair: Repair) -> GraphNetwork:
        """The network after a repair, or as it was if its outputs on the data were closer to the original ones."""
        repaired = copy.deepcopy(network)
        with torch.enable_grad():
            repair.repair(repaired, self._subject)
        task = self._subject.task
        distances = (output_distance(self._expected, outputs_on(one, self._data), task) for one in (network, repaired))
        before, after = distances
        return repaired if bool(after < before) else network

    @cached_property
    def _expected(self) -> Tensor:
        """The outputs of the original on the data, shape (n, ...)."""
        return outputs_on(self._subject.traced.network(), self._data)


def repair_network(subject: CompressionSubject, policy: CompressionPolicy, recipe: Recipe = LIGHT) -> GraphNetwork:
    """A calibrated network that rounds as the policy says; for several policies, a `Repairer` runs the original once.

    Args:
        subject: The network, its calibration data, and the observer of activations.
        policy: One entry for each of the layers of the network.
        recipe: How layers are rounded.

    Raises:
        ValueError: If the subject has no data, or the policy has more or fewer entries than the network has layers.
    """
    return Repairer(subject, recipe).repair(policy)
