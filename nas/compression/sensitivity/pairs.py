"""What two layers damage together beyond the sum of both: the pair terms of an allocation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from nas.compression.sensitivity.degradation import Degradation
from nas.compression.sensitivity.joint_degradation import PolicyDegradation
from nas.compression.sensitivity.loss_hessian import BatchHessian, LossHessian, Part
from nas.compression.sensitivity.rounding_errors import ActivationErrors, compute_weight_error
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray, Term
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy


class PairMetric(ABC):
    """Estimates the pair terms L(i, j) - L(i) - L(j) + L() of policies of two layers i and j.

    Terms may be negative, and are 0 where a policy leaves one of both layers as it is. Source: Schaefer et al.,
    "Augmenting Hessians with Inter-Layer Dependencies for Mixed-Precision Post-Training Quantization", 2023.
    """

    @abstractmethod
    def damage(self, subject: CompressionSubject) -> tuple[Term, ...]:
        """Tables over the choices of two layers, as `AllocationProblem.pairs` takes them.

        Raises:
            ValueError: If data or labels are needed that the subject has not.
        """


@dataclass(frozen=True)
class HessianPairs(PairMetric):
    """To second order: d_i' H_ij d_j for the errors d of weights and activations, for all pairs of layers.

    Each policy of each layer takes one product with the Hessian, whose parts are then multiplied with all errors of all
    later layers. The loss is that of the task, or by the network's own predictions where there are no labels.
    """

    def damage(self, subject: CompressionSubject) -> tuple[Term, ...]:
        hessian = LossHessian(subject)
        rounding = ActivationErrors(subject, hessian.network)
        sizes = [len(known) for known in subject.choices]
        pairs = [*combinations(range(len(sizes)), 2)]
        tables: dict[tuple[int, int], FloatArray] = {pair: np.zeros((sizes[pair[0]], sizes[pair[1]])) for pair in pairs}
        for batch in hessian.batches():
            _add_products(subject, rounding, batch, tables)
        return tuple(Term(pair, table) for pair, table in tables.items())


@dataclass(frozen=True)
class MeasuredPairs(PairMetric):
    """As they are measured, for layers that are near each other: each pair of policies takes a pass over the data.

    Attributes:
        degradation: Compares outputs with those of the trained network.
        reach: How many layers lie from a layer to the furthest that it is paired with.
    """

    degradation: Degradation
    reach: int = 1

    def damage(self, subject: CompressionSubject) -> tuple[Term, ...]:
        pairs = combinations(range(len(subject.choices)), 2)
        near = [pair for pair in pairs if pair[1] - pair[0] <= self.reach]
        return measure_terms(subject, near, self.degradation)


def measure_terms(
    subject: CompressionSubject, groups: Sequence[tuple[int, ...]], degradation: Degradation
) -> tuple[Term, ...]:
    """What the layers of each group damage together beyond the sum of what each does alone, as it is measured.

    Args:
        subject: What is compressed; it has data.
        groups: Indices of two or more layers each.
        degradation: Compares the outputs with those of the trained network.

    Returns:
        For each group a table over the choices of its layers, which are all but one left as they are alone.
    """
    measure = cache(PolicyDegradation(subject, degradation))
    neutral = CompressionPolicy((LayerPolicy(),) * len(subject.choices))

    def degrade(chosen: Mapping[int, int]) -> float:
        layers = [subject.choices[i][chosen[i]] if i in chosen else one for i, one in enumerate(neutral.layers)]
        return measure(CompressionPolicy(tuple(layers)))

    def interact(chosen: Mapping[int, int]) -> float:
        rises = [degrade({layer: choice}) - measure(neutral) for layer, choice in chosen.items()]
        return degrade(chosen) - measure(neutral) - sum(rises)

    terms = []
    for group in groups:
        table = np.empty([len(subject.choices[layer]) for layer in group])
        for index in np.ndindex(table.shape):
            table[index] = interact(dict(zip(group, index, strict=True)))
        terms.append(Term(group, table))
    return tuple(terms)


def _add_products(
    subject: CompressionSubject,
    rounding: ActivationErrors,
    batch: BatchHessian,
    tables: dict[tuple[int, int], FloatArray],
) -> None:
    """Adds the products of one batch to the tables of all pairs."""
    errors = [
        [_errors(subject, rounding, layer, policy) for policy in known] for layer, known in enumerate(subject.choices)
    ]
    for layer, known in enumerate(errors):
        wanted = [part for part in batch.shapes if part[0] > layer]
        for choice, vectors in enumerate(known):
            if not vectors or not wanted:
                continue
            products = batch.multiply(vectors, wanted)
            for other in range(layer + 1, len(errors)):
                for column, theirs in enumerate(errors[other]):
                    dots = [float((products[part] * error).double().sum()) for part, error in theirs.items()]
                    tables[layer, other][choice, column] += sum(dots)


def _errors(
    subject: CompressionSubject, rounding: ActivationErrors, layer: int, policy: LayerPolicy
) -> dict[Part, Tensor]:
    """The errors that a policy makes in the parts of a layer; none where it leaves the layer as it is."""
    if policy == LayerPolicy():
        return {}
    parts = {(layer, 0): compute_weight_error(subject, layer, policy)}
    for site, error in enumerate(rounding.compute(layer, policy.activation_bits), 1):
        parts[layer, site] = error
    return {part: error.detach() for part, error in parts.items() if bool(torch.count_nonzero(error))}
