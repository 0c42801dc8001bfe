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

Uniform policies are what all others are held against, so they are made in the best of several ways: by the whole
recipe, and of nearest codes, as they are or with a single step of repair. That is judged in the same manner, for the
whole network: by the outputs for inputs to which nothing is fitted.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
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
from search_spaces.compression_policy import FULL_PRECISION_BITS, CompressionPolicy, LayerPolicy
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
        self._recipe, self._data, self._given = recipe, subject.need_data(), subject
        if recipe.equalization is not None:
            subject = replace(subject, traced=recipe.equalization.equalize(subject))
        self._subject = subject
        self._references = record_references(subject.traced, self._data, recipe.rows, recipe.seed)

    @torch.no_grad()
    def repair(self, policy: CompressionPolicy) -> GraphNetwork:
        """A calibrated network that rounds as the policy says.

        Whatever exports it writes the codes with which it runs. Where all layers have the same policy, it is made in
        the way that does best on the inputs that judge (`Recipe.single_steps`), else by the whole recipe.

        Args:
            policy: One entry for each of the layers of the network.

        Raises:
            ValueError: If the policy has more or fewer entries than the network has layers.
        """
        uniform = len(set(policy.layers)) == 1 and policy.layers[0] != LayerPolicy()
        return self._ways[self._choose_way(policy) if uniform else 0](policy)

    def fit(self, policy: CompressionPolicy) -> GraphNetwork:
        """The same by the whole recipe, whatever the policy; layers that are compressed alone have their own judge.

        Args:
            policy: One entry for each of the layers of the network.

        Raises:
            ValueError: If the policy has more or fewer entries than the network has layers.
        """
        return self._fit(policy, self._recipe.repairs)

    def _choose_way(self, policy: CompressionPolicy) -> int:
        """Index of the way whose network, made of the inputs that do not judge, is closest to the original on the rest.

        The first of ways that do alike; the whole recipe, if there are too few inputs to judge.
        """
        dealt = self._data.deal(self._recipe.judge_every, self._given.traced.graph.batch or 1)
        if dealt is None:
            return 0
        fitting, judging = dealt
        ways = Repairer(replace(self._given, data=fitting), self._recipe)._ways
        expected = outputs_on(self._given.traced.network(), judging)
        found = [float(output_distance(expected, outputs_on(way(policy), judging), self._given.task)) for way in ways]
        return min(range(len(found)), key=lambda way: found[way] if math.isfinite(found[way]) else math.inf)

    @cached_property
    def _ways(self) -> list[Callable[[CompressionPolicy], GraphNetwork]]:
        """The ways to make a network of a policy: by the whole recipe, without its last repairs, by single steps."""
        repairs, subjects = self._recipe.repairs, dict.fromkeys([self._given, self._subject])
        single = [None, *dict.fromkeys([*self._recipe.single_steps, *repairs])]
        return [
            *(partial(self._fit, repairs=repairs[:count]) for count in reversed(range(len(repairs) + 1))),
            *(partial(self._round, subject=subject, step=step) for subject in subjects for step in single),
        ]

    def _round(self, policy: CompressionPolicy, subject: CompressionSubject, step: Repair | None) -> GraphNetwork:
        """The calibrated network of nearest codes, after one repair or none.

        Args:
            policy: One entry for each of the layers of the network.
            subject: The network, as it was given or equalised.
            step: The repair.
        """
        network = subject.compress(policy)
        calibrate(network, self._data, subject.methods.observer)
        if step is not None:
            with torch.enable_grad():
                step.repair(network, subject)
        return network

    @torch.no_grad()
    def _fit(self, policy: CompressionPolicy, repairs: Sequence[Repair]) -> GraphNetwork:
        """The calibrated network whose layers are fitted one after the other, after those repairs that help."""
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
        for repair in repairs:
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
