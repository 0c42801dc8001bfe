"""Fits the layers of a compressed network to what the layers of the original one yield."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nas.compression.low_rank.corrected_rounding import round_with_correction
from nas.compression.repair.layer_rows import draw_positions, find_entries, sample_inputs, sample_outputs, to_rows
from nas.compression.repair.layer_statistics import DealtStatistics, DealtSum
from nas.compression.repair.recipe import Recipe
from nas.compression.repair.references import LayerReference
from nas.compression.repair.repair import count_uses, find_shift
from nas.compression.rounding.fixed_steps import FixedSteps
from nas.compression.rounding.rounding import RoundedWeight, RoundingProblem
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.elastic.weight_steps import to_output_first, to_stored_layout
from search_spaces.network_graph import Node, Unit
from search_spaces.operators.pointwise import BatchNorm

_LEAST_GAIN = 1e-3  # of the largest of a normalisation: channels below it cannot make up for what is added to them


class LayerFitter:
    """Fits layers of a network in place, one at a time, and rounds those of fewer than 32 bits.

    Args:
        network: The compressed network.
        layers: The call and the bits of each layer that is fitted, by name of the node that calls it; 32 are not
            rounded.
        references: What the original layers yield, by the same names. A layer that has none, as the first factor of one
            of low rank, is fitted to what it yields itself before it is rounded.
        recipe: How layers are rounded.
        sparse: Names of the weights whose zeros stay zeros. Those of other weights are values like any other.
        corrections: The weights of both factors of each corrected weight, by its name. They are fitted with it, so
            their layers are not among `layers`; the unit of the corrected layer has the normalisation behind the sum.
    """

    def __init__(
        self,
        network: GraphNetwork,
        layers: Mapping[str, tuple[Unit, int]],
        references: Mapping[str, LayerReference],
        recipe: Recipe,
        sparse: Collection[str] = (),
        corrections: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self._network, self._layers, self._references, self._recipe = network, layers, references, recipe
        self._samples: list[int] = []  # number of inputs of the network in each batch
        self._sparse, self._corrections = frozenset(sparse), corrections or {}
        self._uses = count_uses(network.graph)
        nodes = {node.name: node for node in network.graph.nodes}
        self._others = {
            name: nodes[addition.name].inputs[addition.other]
            for name in layers
            if name in references and (addition := references[name].addition) is not None
        }  # names of the values that are added to the outputs of layers still to be fitted
        self._values: dict[str, Sequence[Any]] = {}  # those of them that are known

    def see(self, name: str, values: Sequence[Any]) -> None:
        """Keeps a value if it is added to the output of a layer, until the last such layer is fitted.

        The input of the network, which is seen before a layer is fitted, tells how many samples a batch has.

        Args:
            name: Name of the value: of an input of the network, or of a node.
            values: Its batches, each of shape (batch, ...).
        """
        if name == self._network.graph.inputs[0][0]:
            self._samples = [*map(len, values)]
        if name in self._others.values():
            self._values[name] = values

    def fit(self, node: Node, inputs: Sequence[Sequence[Any]]) -> None:
        """Fits and rounds the layer that a node calls, and puts the mean of its output right; leaves other nodes alone.

        Args:
            node: The node, before it is run.
            inputs: The batches of each value that it reads, each of shape (batch, ...).
        """
        if node.name not in self._layers:
            return
        unit, bits = self._layers[node.name]
        operator, name = node.operator, node.parameters[0]
        shift = find_shift(unit)
        movable = shift is not None and self._uses[shift[0]] == 1
        known = node.name in self._references
        total = self._sum(unit, inputs[0]) if known else self._sum_own(unit, inputs[0])
        statistics = total.mean(centred=movable and known)
        weight = to_output_first(self._network.tensor(name).detach(), operator)
        rows = to_rows(weight, operator)
        kept = rows != 0 if name in self._sparse else None
        quantizer = self._network.weight_quantizer(name)
        group_size = None if quantizer is None else quantizer.group_size
        blocks = 1 if group_size is None else weight.shape[1] // group_size
        problem = statistics.whole.to_problem(rows, bits, self._recipe.damping, kept, blocks)
        if name in self._corrections:
            rank = len(self._network.tensor(self._corrections[name][0]))
            corrected = round_with_correction(problem, self._recipe.rounding, rank)
            fitted, stored = corrected.weight, self._fix_steps(name, corrected.rounded)
            for factor, rounded in zip(self._corrections[name], (corrected.first, corrected.second), strict=True):
                values = self._fix_steps(factor, rounded)
                self._network.tensor(factor).copy_(values.view_as(self._network.tensor(factor)))
        elif (nearest := self._keep_nearest(weight, node, statistics, problem)) is not None:
            fitted, stored = nearest, rows
        elif bits != FULL_PRECISION_BITS:
            fitted = stored = self._fix_steps(name, self._recipe.rounding.round(problem))
        else:
            fitted = stored = problem.weight
        self._network.tensor(name).copy_(to_stored_layout(stored.reshape(weight.shape), operator))
        if shift is not None and movable:
            self._network.tensor(shift[0]).add_(statistics.whole.bias(fitted).flatten(), alpha=shift[1])

    def _keep_nearest(
        self, weight: Tensor, node: Node, statistics: DealtStatistics, problem: RoundingProblem
    ) -> Tensor | None:
        """The weight of nearest codes, shape (groups, out, in), if it does better, where both are judged, than a fit.

        Args:
            weight: The weight as it is, output channels first.
            node: The node that calls the layer.
            statistics: What the layer reads and should yield; the fit is to the inputs that do not judge.
            problem: That of all inputs.
        """
        judging, bits = statistics.judging, problem.bits
        if judging is None or not self._recipe.nearest_from_bits <= bits < FULL_PRECISION_BITS:
            return None
        quantizer = self._network.weight_quantizer(node.parameters[0])
        assert quantizer is not None
        rows, nearest = (to_rows(one, node.operator) for one in (weight, quantizer(weight)))
        part = statistics.fitting.to_problem(rows, bits, self._recipe.damping, problem.kept, problem.blocks)
        fitted = self._recipe.rounding.round(part).weight
        return nearest if bool(judging.error(nearest) < judging.error(fitted)) else None

    def _fix_steps(self, name: str, rounded: RoundedWeight) -> Tensor:
        """Has a weight rounded in the steps that were found for it; gives the rounded weight, (groups, out, in)."""
        quantizer = self._network.weight_quantizer(name)
        assert quantizer is not None
        steps = FixedSteps.of(rounded.steps.flatten())
        self._network.round_weight(name, quantizer.bits, steps, quantizer.group_size)
        return rounded.weight

    def _sum(self, unit: Unit, inputs: Sequence[Tensor]) -> DealtSum:
        """Statistics of what a layer reads and of what it should yield before its own bias is added."""
        call, reference, total = unit.call, self._references[unit.call.name], DealtSum(self._recipe.judge_every)
        other = self._take_other(call.name)
        bias = self._network.tensor(call.parameters[1]) if len(call.parameters) > 1 else 0.0
        for batch, (positions, outputs) in enumerate(zip(reference.positions, reference.outputs, strict=True)):
            aims = outputs - bias
            if other is not None:
                lacking = reference.others[batch] - sample_outputs(call.operator, other[batch], positions)
                aims = aims + lacking * self._inverse_gain(unit)
            self._add(total, call, inputs[batch], positions, aims, self._samples[batch])
        return total

    def _sum_own(self, unit: Unit, inputs: Sequence[Tensor]) -> DealtSum:
        """Statistics of what a layer reads and of what it yields at full precision, which has no bias to be moved."""
        call, total = unit.call, DealtSum(self._recipe.judge_every)
        parameters = [self._network.tensor(name) for name in call.parameters]
        generator = torch.Generator().manual_seed(self._recipe.seed)
        entries = sum(map(len, inputs))
        for batch, samples in zip(inputs, self._samples, strict=True):
            outputs = run_operator(call.operator, [batch], parameters)
            count = -(-self._recipe.rows * len(batch) // entries)
            positions = draw_positions(call.operator, outputs, count, generator)
            aims = sample_outputs(call.operator, outputs, positions)
            self._add(total, call, batch, positions, aims, samples)
        return total

    def _add(self, total: DealtSum, call: Node, inputs: Tensor, positions: Tensor, aims: Tensor, samples: int) -> None:
        """Adds what the outputs at some positions of a batch read, and what they should be.

        Where the first axis is one of windows or tokens, those of a sample are taken to be neighbours.
        """
        entries = find_entries(call.operator, inputs, positions) * samples // len(inputs)
        total.add(sample_inputs(call.operator, inputs, positions), aims, entries, samples)

    def _take_other(self, layer: str) -> Sequence[Any] | None:
        """What is added to the output of a layer, if it is known; dropped if no other layer needs it."""
        name = self._others.pop(layer, "")
        return self._values.get(name) if name in self._others.values() else self._values.pop(name, None)

    def _inverse_gain(self, unit: Unit) -> Tensor | float:
        """What a change after the normalisation is before it, shape (out,)."""
        if unit.norm is None:
            return 1.0
        assert isinstance(unit.norm.operator, BatchNorm)
        tensors = [self._network.tensor(name) for name in unit.norm.parameters]
        gain = (tensors[-1] + unit.norm.operator.eps).rsqrt() * (tensors[0] if unit.norm.operator.affine else 1.0)
        return torch.where(gain.abs() > _LEAST_GAIN * gain.abs().max(), 1 / gain, torch.zeros_like(gain))
