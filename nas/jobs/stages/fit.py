"""Measure candidates on the trained weights, and fit the predictors of what is measured.

The measured candidates lie in the database; the predictors are fitted anew from them, never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from nas.jobs.execution import Execution
from nas.jobs.files.job import FitSection
from nas.jobs.job_runs import JobRuns
from nas.jobs.stages.measurements import Measurements, measure
from nas.jobs.stages.sampling import representative_sample
from nas.jobs.stages.subject import Subject
from nas.objectives import Evaluator, FloatArray
from predictors.predictor import Predictor
from predictors.quality import cross_validate
from predictors.registry import create_predictor
from results.evaluation import RunRecord
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

_STREAM = 1  # of the job's seed, so that the search does not start on the candidates that were fitted


class FittedMetric:
    """A fitted predictor of a metric, as an evaluator; a linear one is summed gene by gene.

    Args:
        predictor: Fitted to features of candidates.
        space: The joint space.
        bounds: Least and most that the metric can be.
    """

    def __init__(self, predictor: Predictor, space: JointSpace, bounds: tuple[float, float]) -> None:
        self._predictor, self._by_gene, self._offset = predictor, None, 0.0
        self._bounds = bounds
        linear = predictor.linear
        if linear is not None and len(linear.slope) == space.cardinalities.sum():  # else the space adds features
            self._by_gene, self._offset = space.tabulate_linear(linear.slope), linear.offset

    def __call__(self, population: Population) -> FloatArray:
        """Predicted values, shape (n,)."""
        if self._by_gene is not None:
            mean = self._offset + self._by_gene(population.genes)
        else:
            mean = self._predictor.predict(population.features()).mean
        return np.clip(mean, *self._bounds)


@dataclass(frozen=True)
class Fitted:
    """What the fit leaves.

    Attributes:
        subject: What was measured.
        measured: The candidates that were measured.
        predictions: Evaluators of the metrics, by name.
        section: What was asked, for the inputs of what is searched by it.
    """

    subject: Subject
    measured: Measurements
    predictions: Mapping[str, Evaluator]
    section: FitSection


def fit(section: FitSection, subject: Subject, execution: Execution) -> Fitted:
    """Measures what is not measured yet, then fits, and says how good that is on candidates that were left out.

    Args:
        section: How many candidates, and which predictor.
        subject: What is measured.
        execution: Who measures, and where it is shown and stored.
    """
    runs = execution.runs
    measured = measure(_choose_candidates(section, subject, runs), subject, execution, _record(section, subject, runs))
    for name, values in measured.values.items():
        quality = cross_validate(_maker(section, runs.seed), measured.population.features(), values, seed=runs.seed)
        execution.reporter.say(f"fit      {name} by {section.predictor}: {quality}")
    return _fitted(section, subject, measured, runs.seed)


def read_fitted(section: FitSection, subject: Subject, runs: JobRuns) -> Fitted:
    """The predictors fitted to the measurements in the database.

    Args:
        section: As it was fitted.
        subject: What was measured.
        runs: Where the measurements are kept.

    Raises:
        ValueError: If the measurements are not complete.
    """
    population, record = _choose_candidates(section, subject, runs), _record(section, subject, runs)
    stored = runs.database.evaluations(record.run) if runs.database.has_run(record.run) else []
    if len(stored) < len(population):
        raise ValueError(f"job {runs.job!r} needs a fitted predictor; make it with: nas fit JOB")
    values = {name: np.array([entry.values[name] for entry in stored]) for name in subject.metric_names}
    return _fitted(section, subject, Measurements(population, values), runs.seed)


def _record(section: FitSection, subject: Subject, runs: JobRuns) -> RunRecord:
    """The database record of the measurements, which are the same on all devices."""
    return runs.record("fit", {**subject.inputs, "candidates": section.candidates}, subject=subject.digest)


def _fitted(section: FitSection, subject: Subject, measured: Measurements, seed: int) -> Fitted:
    predictions: dict[str, Evaluator] = {}
    for metric in subject.measurement.metrics:
        name, bounds = metric.metric.name, (0.0, 100.0) if metric.metric.unit == "%" else (-np.inf, np.inf)
        predictor = _maker(section, seed)()
        predictor.fit(measured.population.features(), measured.values[name])
        predictions[name] = FittedMetric(predictor, subject.space, bounds)
    return Fitted(subject, measured, predictions, section)


def _maker(section: FitSection, seed: int) -> Callable[[], Predictor]:
    return partial(create_predictor, section.predictor, seed)


def _choose_candidates(section: FitSection, subject: Subject, runs: JobRuns) -> Population:
    return representative_sample(subject.space, np.random.default_rng([runs.seed, _STREAM]), section.candidates)
