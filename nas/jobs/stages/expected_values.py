"""The expected value of a measured metric on new images, given all measurements of the supernet.

Independent of searches and of the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nas.jobs.files.limit import resolve_limit
from nas.jobs.stages.measurements import Measurements
from nas.jobs.stages.subject import Subject
from nas.objectives import FloatArray, Objective
from nas.search.surrogate.surrogate import extract_search_features
from nas.tasks.metrics.measured_metric import MeasuredMetric
from predictors.posterior import infer_noise_free
from search_spaces.compression_policy import LayerPolicy
from search_spaces.population import Population


@dataclass(frozen=True)
class ExpectedValues:
    """Expected values of one metric for n candidates.

    Attributes:
        mean: Expected value on new images, shape (n,), in the unit of the metric.
        std: Standard deviation of the value on new images around `mean`, shape (n,); NaN if it is unknown.
    """

    mean: FloatArray
    std: FloatArray

    def take(self, rows: slice | NDArray[np.int64]) -> ExpectedValues:
        """The values of a slice of the candidates, or of those at indices of shape (k,)."""
        return ExpectedValues(self.mean[rows], self.std[rows])


def expect_values(measured: Measurements, metric: MeasuredMetric, images: int, seed: int = 0) -> ExpectedValues:
    """The expected value of a metric on new images, for every measured candidate, given the measurements of all.

    The candidate with the best measured value of many was probably lucky with the validation images, the more so the
    fewer these are. Similar candidates are about as good, but not as lucky; the posterior mean uses them to correct
    that.

    A measured value has at least the sampling error of its images. As all candidates are measured on the same images,
    a part of that error is common to all, and no comparison of candidates shows it. The full sampling error is
    therefore assumed as the noise of each value, and is part of the standard deviation. If the sampling error of a
    metric is unknown, the measured values are returned as the expected ones.

    Args:
        measured: Candidates, n of them, and their values on the same validation images.
        metric: The metric.
        images: Number of validation images.
        seed: Seed of the choice of candidates to fit to, if there are too many.
    """
    values = measured.values[metric.metric.name]
    if metric.standard_error(values, images) is None:
        return ExpectedValues(values, np.full(len(values), np.nan))

    def noise(found: FloatArray) -> FloatArray:
        error = metric.standard_error(found, images)
        assert error is not None  # it is known of some values, and so of all
        return error

    # a candidate that is there twice was measured once
    _, first, which = np.unique(measured.population.genes, axis=0, return_index=True, return_inverse=True)
    found = infer_noise_free(extract_search_features(measured.population.take(first)), values[first], noise, seed)
    mean = np.clip(found.mean, *metric.metric.bounds)
    return ExpectedValues(mean, np.hypot(found.std, noise(mean))).take(which.reshape(-1))


def expect_all(measured: Measurements, subject: Subject, seed: int) -> dict[str, ExpectedValues]:
    """The expected values of all measured metrics, by name; see `expect_values`.

    Args:
        measured: Candidates, n of them, that were measured on one subject.
        subject: The subject: network, images and metrics.
        seed: Seed of the choice of candidates to fit to, if there are too many.
    """
    images = len(subject.data.validation)
    metrics = subject.measurement.metrics
    return {one.metric.name: expect_values(measured, one, images, seed) for one in metrics}


def judge_as_expected(
    limits: Mapping[str, float | str],
    objectives: tuple[Objective, ...],
    population: Population,
    expected: Mapping[str, ExpectedValues],
    given: Mapping[str, float],
) -> tuple[Objective, ...]:
    """The objectives by which expected values are judged: limits are shares of the expected value of the given network.

    The network as it was given may have had luck with the validation images, as any candidate. If it is among them,
    its expected value takes the place of the measured one; but not if the share of it is no limit, such as one beyond
    what values of the metric can be, or of a value that is not above 0.

    Args:
        limits: The limits that the job states, by name of the metric.
        objectives: The objectives of the search.
        population: The candidates that were measured, n of them.
        expected: Their expected values by name of the metric, shape (n,).
        given: The values of the network as it was given, as `nas.jobs.stages.given_values` found them.
    """
    rows = _find_as_given(population) if given else []
    judged = []
    for one in objectives:
        name = one.metric.name
        if name in given and rows:
            with suppress(ValueError):  # the measurements are spent; the share of the measured value was a limit
                one = replace(one, limit=resolve_limit(one.metric, limits[name], expected[name].mean[rows[0]]))
        judged.append(one)
    return tuple(judged)


def _find_as_given(population: Population) -> list[int]:
    """The rows of the whole network at full precision."""
    space, whole = population.space, LayerPolicy()
    if not all(whole in known for known in space.slot_policies):
        return []
    widest = [size - 1 for size in space.architectures.cardinalities.tolist()]
    genes = [*widest, *(known.index(whole) for known in space.slot_policies)]
    return np.flatnonzero((population.genes == genes).all(axis=1)).tolist()


def combine_columns(
    objectives: Sequence[Objective], population: Population, known: Mapping[str, FloatArray]
) -> FloatArray:
    """Values of n candidates, shape (n, m): known ones are taken, others are evaluated.

    Args:
        objectives: The m objectives.
        population: The candidates.
        known: Known values by name of the metric, shape (n,).
    """
    names = [one.metric.name for one in objectives]
    columns = [
        known[name] if name in known else one.evaluate(population) for name, one in zip(names, objectives, strict=True)
    ]
    return np.column_stack(columns)
