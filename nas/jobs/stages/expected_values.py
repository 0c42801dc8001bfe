"""What a measured metric of a candidate will be on new images, given all that is measured of its supernet.

Independent of searches and of the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.evaluation.metrics.measured_metric import MeasuredMetric
from nas.jobs.stages.measurements import Measurements
from nas.jobs.stages.subject import Subject
from nas.objectives import FloatArray, Objective
from nas.search.surrogate.surrogate import extract_search_features
from predictors.posterior import infer_noise_free
from search_spaces.population import Population


@dataclass(frozen=True)
class ExpectedValues:
    """What is expected of n candidates.

    Attributes:
        mean: Expected value on new images, shape (n,), in the unit of the metric.
        std: Standard deviation of the value on new images around it, shape (n,); NaN where it is not known.
    """

    mean: FloatArray
    std: FloatArray

    def take(self, rows: slice | NDArray[np.int64]) -> ExpectedValues:
        """Those of a slice, or at row numbers of shape (k,)."""
        return ExpectedValues(self.mean[rows], self.std[rows])


def expect_values(measured: Measurements, metric: MeasuredMetric, images: int, seed: int = 0) -> ExpectedValues:
    """A metric of every measured candidate on new images, from what was measured of all of them.

    The best of many candidates by their scores is mostly the luckiest, the more so the fewer images judged them.
    Similar candidates are as good and not as lucky, so the posterior mean given all of them is what holds.

    A score has at least the sampling error of its images. All candidates are judged by the same images, so they share
    part of that luck, most of it with similar ones: the error is therefore taken in full, though less of it is a
    candidate's own, and what all share stays in the standard deviation, for no comparison of candidates shows it. Of a
    metric whose sampling error is not known, the measured value is what is expected.

    Args:
        measured: Candidates, n of them, and their values on the same validation images.
        metric: Which of their values.
        images: How many images these are.
        seed: Seed of the candidates that are learnt from, where they are too many.
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
    least, most = (0.0, 100.0) if metric.metric.unit == "%" else (-np.inf, np.inf)
    mean = np.clip(found.mean, least, most)
    return ExpectedValues(mean, np.hypot(found.std, noise(mean))).take(which.reshape(-1))


def expect_all(measured: Measurements, subject: Subject, seed: int) -> dict[str, ExpectedValues]:
    """What is expected of all measured metrics, by name; see `expect_values`.

    Args:
        measured: Candidates, n of them, that were measured on one subject.
        subject: What they were measured on, and by which metrics.
        seed: Seed of the candidates that are learnt from, where they are too many.
    """
    images = len(subject.data.validation)
    metrics = subject.measurement.metrics
    return {one.metric.name: expect_values(measured, one, images, seed) for one in metrics}


def combine_columns(
    objectives: Sequence[Objective], population: Population, known: Mapping[str, FloatArray]
) -> FloatArray:
    """Values of n candidates, shape (n, m): those that are known, and the others as they are evaluated.

    Args:
        objectives: The m objectives.
        population: The candidates.
        known: Values by name of the metric, shape (n,).
    """
    names = [one.metric.name for one in objectives]
    columns = [
        known[name] if name in known else one.evaluate(population) for name, one in zip(names, objectives, strict=True)
    ]
    return np.column_stack(columns)
