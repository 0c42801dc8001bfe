"""Blocks of layers that depend on one another, whose damage is measured together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from nas.compression.sensitivity.activation_entropy import compute_entropy
from nas.compression.sensitivity.degradation import Degradation
from nas.compression.sensitivity.pairs import PairMetric, measure_terms
from nas.compression.sensitivity.written_values import Written, find_written, read_written
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray, Term

_BINS = 8  # ranges of magnitudes; a few hundred samples fill a table of two layers


@dataclass(frozen=True)
class EntropyBlocks(PairMetric):
    """Terms of all layers of a block, for blocks of consecutive layers that depend on one another (Q-VLM).

    A layer begins a block if the entropy of what it writes, given what the layer before it writes, is at least the mean
    of those so far. Inside a block all combinations of policies are measured; blocks add up. Source: Wang et al.,
    "Q-VLM: Post-training Quantization for Large Vision-Language Models", NeurIPS 2024, section 3.2; of two layers of
    different shapes the mean magnitudes of samples are compared here.

    Attributes:
        degradation: Compares outputs with those of the trained network.
        most_layers: The most layers of a block; the combinations grow with its power.

    Raises:
        ValueError: If blocks are to have fewer than two layers.
    """

    degradation: Degradation
    most_layers: int = 3

    def __post_init__(self) -> None:
        if not self.most_layers >= 2:
            raise ValueError(f"a block of layers has two or more, got most_layers {self.most_layers}")

    def damage(self, subject: CompressionSubject) -> tuple[Term, ...]:
        blocks = partition_layers(compute_conditional_entropies(subject), self.most_layers)
        return measure_terms(subject, [block for block in blocks if len(block) > 1], self.degradation)


def partition_layers(entropies: FloatArray, most_layers: int) -> list[tuple[int, ...]]:
    """Consecutive layers in blocks: a layer begins one if its entropy is at least the mean of those so far.

    Args:
        entropies: Of each layer given the one before it, shape (layers,); that of the first layer does not count.
        most_layers: The most layers of a block.
    """
    blocks: list[tuple[int, ...]] = []
    for layer, entropy in enumerate(entropies):
        begins = layer == 0 or entropy >= np.mean(entropies[1 : layer + 1])
        if begins or len(blocks[-1]) == most_layers:
            blocks.append(())
        blocks[-1] += (layer,)
    return blocks


def compute_conditional_entropies(subject: CompressionSubject) -> FloatArray:
    """The entropy in nats of what each layer writes given what the layer before it writes, shape (layers,).

    Of each sample the mean magnitude counts, as one of 8 ranges that hold as many samples each. So 0 means that it
    follows from the layer before; the logarithm of 8, for many samples, that it has nothing to do with it. The first
    layer has the entropy of what it writes.

    Args:
        subject: A network with data.
    """
    first: dict[int, Written] = {}
    for one in find_written(subject.traced.graph):
        first.setdefault(one.layer, one)
    parts: list[list[FloatArray]] = [[] for _ in first]
    for one, value in read_written(subject):
        if first[one.layer] == one:
            parts[one.layer].append(value.double().abs().flatten(1).mean(1).numpy())
    ranges = [_divide(np.concatenate(known)) for known in parts]
    found = [compute_entropy(_count(ranges[0], ranges[0]))]
    for before, after in pairwise(ranges):
        joint = _count(before, after)
        found.append(compute_entropy(joint) - compute_entropy(joint.sum(1)))
    return np.array(found)


def _divide(values: FloatArray) -> NDArray[np.int64]:
    """The range that each value falls into, shape (samples,); equal values fall into one."""
    ranks = rankdata(values, method="min") - 1
    return np.asarray(ranks * _BINS // len(values), dtype=np.int64)


def _count(before: NDArray[np.int64], after: NDArray[np.int64]) -> FloatArray:
    return np.bincount(before * _BINS + after, minlength=_BINS**2).reshape(_BINS, _BINS).astype(np.float64)
