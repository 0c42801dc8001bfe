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

Uniform policies are what all others are held against, so the best of several variants of them is kept: made by the
whole recipe, and of nearest codes, as they are or with a single step of repair. That is judged in the same manner, for
the whole network: by the outputs for inputs to which nothing is fitted.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate, product
from typing import Any

import torch
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate, fix_range
from nas.compression.integer_biases import round_biases
from nas.compression.repair.batched_walk import run_batches
from nas.compression.repair.layer_fitter import LayerFitter
from nas.compression.repair.layer_rows import can_be_rows
from nas.compression.repair.recipe import LIGHT, Recipe
from nas.compression.repair.references import record_references
from nas.compression.repair.repair import Repair, output_distance, outputs_on
from nas.compression.sensitivity.policy_runs import join_outputs
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
        # what uniform policies are rounded to nearest codes in, and by which repair, or none, it is followed
        self._rounded = [*dict.fromkeys([self._given, subject])]
        self._single_steps = [None, *dict.fromkeys([*recipe.single_steps, *recipe.repairs])]
        self._references = record_references(subject.traced, self._data, recipe.rows, recipe.seed)

    @torch.no_grad()
    def repair(self, policy: CompressionPolicy) -> GraphNetwork:
        """A calibrated network that rounds as the policy says, with biases as devices add them.

        Whatever exports it writes the codes with which it runs. Where all layers have the same policy, it is the
        variant that does best on the inputs that judge (`Recipe.single_steps`), else made by the whole recipe.

        Args:
            policy: One entry for each of the layers of the network.

        Raises:
            ValueError: If the policy has more or fewer entries than the network has layers.
        """
        uniform = len(set(policy.layers)) == 1 and policy.layers[0] != LayerPolicy()
        repaired = self._make_variant(policy, self._choose_variant(policy) if uniform else 0)
        round_biases(repaired)
        return repaired

    def fit(self, policy: CompressionPolicy) -> GraphNetwork:
        """The same by the whole recipe, whatever the policy, and with biases that are not rounded yet.

        Layers that are compressed alone have their own judge.

        Args:
            policy: One entry for each of the layers of the network.

        Raises:
            ValueError: If the policy has more or fewer entries than the network has layers.
        """
        return self._fit(policy, self._recipe.repairs)[-1]

    def fit_outputs(self, policy: CompressionPolicy) -> Tensor:
        """The outputs of the same network on the data, shape (n, ...), several joined, which come with the fit.

        Args:
            policy: One entry for each of the layers of the network.

        Raises:
            ValueError: As for `fit`.
        """
        if self._recipe.repairs:
            return outputs_on(self.fit(policy), self._data)
        network, outputs = self._fit_layers(policy)
        return outputs_on(network, self._data) if outputs is None else outputs

    def _choose_variant(self, policy: CompressionPolicy) -> int:
        """Index of the variant that, made of the inputs that do not judge, is closest to the original on the rest.

        The first of those that do alike; the whole recipe, if there are too few inputs to judge.
        """
        if self._judging is None:
            return 0
        repairer, data, expected = self._judging
        variants = repairer._make_variants(policy)
        found = [float(output_distance(expected, outputs_on(one, data), self._given.task)) for one in variants]
        return min(range(len(found)), key=lambda index: found[index] if math.isfinite(found[index]) else math.inf)

    @cached_property
    def _judging(self) -> tuple[Repairer, CalibrationData, Tensor] | None:
        """What makes networks of the inputs that do not judge; those that do, and the outputs of the original for them.

        None if there are too few inputs.
        """
        dealt = self._data.deal(self._recipe.judge_every, self._given.traced.graph.batch or 1)
        if dealt is None:
            return None
        fitting, judging = dealt
        repairer = Repairer(replace(self._given, data=fitting), self._recipe)
        return repairer, judging, outputs_on(self._given.traced.network(), judging)

    def _make_variants(self, policy: CompressionPolicy) -> Iterator[GraphNetwork]:
        """The networks of a policy: by the whole recipe, without its last repairs, and by single steps."""
        yield from reversed(self._fit(policy, self._recipe.repairs))
        for subject in self._rounded:
            nearest = self._round(policy, subject)
            yield from (self._repair_by(step, copy.deepcopy(nearest), subject) for step in self._single_steps)

    def _make_variant(self, policy: CompressionPolicy, index: int) -> GraphNetwork:
        """One of them alone, by its place among them."""
        repairs, roundings = self._recipe.repairs, [*product(self._rounded, self._single_steps)]
        if index > len(repairs):
            subject, step = roundings[index - len(repairs) - 1]
            return self._repair_by(step, self._round(policy, subject), subject)
        return self._fit(policy, repairs[: len(repairs) - index])[-1]

    def _round(self, policy: CompressionPolicy, subject: CompressionSubject) -> GraphNetwork:
        """The calibrated network of nearest codes.

        Args:
            policy: One entry for each of the layers of the network.
            subject: The network, as it was given or equalised.
        """
        network = subject.compress(policy)
        calibrate(network, self._data, subject.methods.observer)
        return network

    def _repair_by(self, step: Repair | None, network: GraphNetwork, subject: CompressionSubject) -> GraphNetwork:
        """A network after one repair in place, or none."""
        if step is not None:
            with torch.enable_grad():
                step.repair(network, subject)
        return network

    def _fit(self, policy: CompressionPolicy, repairs: Sequence[Repair]) -> list[GraphNetwork]:
        """The calibrated network whose layers are fitted one after the other, as it is and after each of the repairs.

        A repair that does not help leaves the network before it in its place.
        """
        return [*accumulate(repairs, self._keep_closer, initial=self._fit_layers(policy)[0])]

    @torch.no_grad()
    def _fit_layers(self, policy: CompressionPolicy) -> tuple[GraphNetwork, Tensor | None]:
        """The calibrated network whose layers are fitted one after the other, and its outputs if that yields them."""
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

            outputs = run_batches(network, [*self._data], prepare, fitter.see)
            return network, torch.cat([join_outputs(batch) for batch in zip(*outputs, strict=True)])
        exact = CompressionPolicy(tuple(replace(entry, quantization=None, correction=None) for entry in policy.layers))
        run_batches(self._subject.view_compressed(exact), [*self._data], fitter.fit, fitter.see)
        calibrate(network, self._data, methods.observer)
        return network, None

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
