"""Compares sensitivity metrics on a network: do their sums tell what whole policies do, and what do they cost?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.compression.sensitivity.degradation import Degradation
from nas.compression.sensitivity.joint_degradation import measure_degradations
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray, Term
from search_spaces.joint_space import JointSpace

POLICIES = 30  # random ones by which additivity is judged (METHODS 2.3)
_SEED = 0  # of those of a space
LEAST_R2 = 0.7  # below it a sum over layers is not to be trusted (METHODS 2.3)


@dataclass(frozen=True)
class MetricQuality:
    """How far the summed damage of a metric tells what random policies do to a network.

    Attributes:
        name: Name of the metric.
        r2: Share of the variance of the measured degradation that a line through the summed damage explains; 0 where
            the line falls.
        spearman: Rank correlation of both.
        kendall: Kendall's tau of both.
        seconds: Wall-clock time of the metric.
    """

    name: str
    r2: float
    spearman: float
    kendall: float
    seconds: float

    @property
    def is_additive(self) -> bool:
        """Whether the sum over layers can be minimised; otherwise pair terms or a measured search are needed."""
        return self.r2 >= LEAST_R2


@dataclass(frozen=True)
class SensitivityReport:
    """Metrics on one network, beside the same random policies.

    Attributes:
        metrics: The metrics, in the order in which they were asked.
        policies: Number of random policies.
        seconds: Wall-clock time in which these were measured.
    """

    metrics: tuple[MetricQuality, ...]
    policies: int
    seconds: float

    def __str__(self) -> str:
        width = max(len(one.name) for one in self.metrics)
        head = f"{'metric':<{width}}  {'R2':>5}  {'Spearman':>8}  {'Kendall':>7}  {'seconds':>7}  additive"
        lines = [
            f"{one.name:<{width}}  {one.r2:5.2f}  {one.spearman:8.2f}  {one.kendall:7.2f}  {one.seconds:7.1f}  "
            f"{'yes' if one.is_additive else 'no: use pair terms or a measured search'}"
            for one in self.metrics
        ]
        return "\n".join([head, *lines, f"{self.policies} random policies, measured in {self.seconds:.1f} s"])


def compare_metrics(
    subject: CompressionSubject,
    metrics: Mapping[str, SensitivityMetric],
    degradation: Degradation,
    policies: int = POLICIES,
    seed: int = 0,
) -> SensitivityReport:
    """Measures random policies, and holds the summed damage of metrics against them.

    Args:
        subject: What is compressed; it has data.
        metrics: The metrics by name.
        degradation: What is measured of the policies.
        policies: How many are drawn; each layer takes one of its choices at random.
        seed: Draws them.

    Raises:
        ValueError: If there are no metrics, fewer than three policies, or a metric or the degradation needs what the
            subject has not.
    """
    if not metrics or not policies >= 3:
        raise ValueError(f"a comparison needs metrics, and 3 or more policies, got {len(metrics)} and {policies}")
    chosen = draw_policies([*map(len, subject.choices)], policies, seed)
    start = time.perf_counter()
    measured = measure_degradations(subject, map(tuple, chosen.tolist()), degradation)
    seconds = time.perf_counter() - start
    return SensitivityReport(
        tuple(_judge(name, metric, subject, chosen, measured) for name, metric in metrics.items()), policies, seconds
    )


def judge_sums(
    name: str,
    damage: Sequence[FloatArray],
    chosen: NDArray[np.int64],
    measured: FloatArray,
    seconds: float,
    pairs: Sequence[Term] = (),
) -> MetricQuality:
    """Holds the summed damage of policies against what was measured of them.

    Args:
        name: Name of the metric.
        damage: For each layer the damage of its choices, shape (choices of the layer,).
        chosen: The policies: the index of each layer's choice, shape (policies, layers).
        measured: Their degradation, shape (policies,); nothing can be told of fewer than two, or of equal ones.
        seconds: Time that the damage took.
        pairs: What several layers damage together beyond the sum, see `sum_damage`.
    """
    sums = sum_damage(damage, chosen, pairs)
    if len(measured) < 2 or np.ptp(sums) == 0 or np.ptp(measured) == 0:
        return MetricQuality(name, 0.0, 0.0, 0.0, seconds)
    slope = float(np.corrcoef(sums, measured)[0, 1])
    return MetricQuality(name, max(slope, 0.0) ** 2, *correlate_ranks(sums, measured), seconds)


def correlate_ranks(first: FloatArray, second: FloatArray) -> tuple[float, float]:
    """Spearman's rank correlation and Kendall's tau of two rows of numbers, neither of which is constant.

    Args:
        first: Shape (n,).
        second: Shape (n,).
    """
    from scipy.stats import kendalltau, spearmanr  # takes half a second, of which most jobs have no use

    return float(spearmanr(first, second).statistic), float(kendalltau(first, second).statistic)


def sum_damage(damage: Sequence[FloatArray], chosen: NDArray[np.int64], pairs: Sequence[Term] = ()) -> FloatArray:
    """The summed damage of policies, shape (policies,).

    Args:
        damage: For each layer the damage of its choices, shape (choices of the layer,).
        chosen: The index of each layer's choice, shape (policies, layers).
        pairs: What several layers damage together beyond the sum: tables whose columns are indices of layers.
    """
    alone = [values[column] for values, column in zip(damage, chosen.T, strict=True)]
    together = [term.table[tuple(chosen.T[layer] for layer in term.columns)] for term in pairs]
    return np.sum([*alone, *together], axis=0)


def draw_policies(choices: Sequence[int], count: int, seed: int) -> NDArray[np.int64]:
    """Random policies, each layer's choice uniformly and independently: indices of shape (count, layers).

    Args:
        choices: Number of choices of each layer.
        count: Number of policies.
        seed: Draws them.
    """
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(known, size=count) for known in choices], 1)


def draw_candidates(space: JointSpace) -> NDArray[np.int64]:
    """The different ones of 30 random candidates of a space: indices of shape (candidates, genes).

    They are always the same ones, whatever the seed of a job is, so that tables of equal inputs are equal.

    Args:
        space: The space, of policies and whatever else is searched.
    """
    drawn = space.population(draw_policies(space.cardinalities.tolist(), POLICIES, _SEED))
    return np.unique(drawn.genes.astype(np.int64), axis=0)


def _judge(
    name: str,
    metric: SensitivityMetric,
    subject: CompressionSubject,
    chosen: NDArray[np.int64],
    measured: FloatArray,
) -> MetricQuality:
    start = time.perf_counter()
    damage = metric.damage(subject)
    return judge_sums(name, damage, chosen, measured, time.perf_counter() - start)
