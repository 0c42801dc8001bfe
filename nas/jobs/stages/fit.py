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
from nas.search.runner.failures import FailedCandidate, TooManyFailures
from predictors.predictor import Predictor
from predictors.quality import cross_validate
from predictors.registry import create_predictor
from results.evaluation import RunRecord
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

_FEWEST = 10  # candidates: fewer tell a predictor nothing of others, and no job measures fewer
_STREAM = 1  # random numbers of their own, so that the search does not start with the candidates of the fit


class FittedMetric:
    """A fitted predictor of a metric, as an evaluator; a linear predictor is tabulated gene by gene, which is faster.

    Args:
        predictor: The predictor, fitted to features of candidates.
        space: The joint space.
        bounds: Lower and upper bound of the metric; predictions are clipped to them.
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
    """The outcome of the fit.

    Attributes:
        subject: The network and the images that candidates were measured on.
        measured: The measured candidates and their values.
        predictions: The fitted predictors as evaluators, by name of the metric.
        section: The fit section of the job, which is part of the inputs of a search with these predictors.
    """

    subject: Subject
    measured: Measurements
    predictions: Mapping[str, Evaluator]
    section: FitSection


def check_space(space: JointSpace) -> None:
    """Refuses to predict what can be measured at once; takes no time.

    Raises:
        ValueError: If the space has fewer than 10 candidates.
    """
    found = len(representative_sample(space, np.random.default_rng(0), _FEWEST))
    if found < _FEWEST:
        raise ValueError(
            f"search.quality: predicted needs {_FEWEST} or more candidates to fit a predictor to, and the space has "
            f"{found}; take quality: measured, which measures all of them"
        )


def fit(section: FitSection, subject: Subject, execution: Execution) -> Fitted:
    """Measures candidates, fits the predictors, and prints their cross-validated quality.

    Args:
        section: The number of candidates, and the predictor.
        subject: The network, the images and the metrics.
        execution: The workers, the runs and the reporter of the job.

    Raises:
        ValueError: If the space has too few candidates; see `check_space`.
        TooManyFailures: If too many candidates could not be measured.
    """
    check_space(subject.space)
    runs = execution.runs
    measured = measure(
        _choose_candidates(section, subject, runs), subject, execution, _record(section, subject, runs), "measured"
    )
    _check_enough(measured)
    for name, values in measured.values.items():
        quality = cross_validate(_maker(section, runs.seed), measured.population.features(), values, seed=runs.seed)
        execution.reporter.say(f"fit      {name} by {section.predictor}: {quality}")
    return _fitted(section, subject, measured, runs.seed)


def read_fitted(section: FitSection, subject: Subject, runs: JobRuns) -> Fitted:
    """The predictors fitted to the measurements in the database.

    Args:
        section: The fit section of the job.
        subject: The network, the images and the metrics.
        runs: The runs of the job.

    Raises:
        ValueError: If the database does not hold all measurements of the fit; those that failed are held, too.
        TooManyFailures: If too few did not fail.
    """
    population, record = _choose_candidates(section, subject, runs), _record(section, subject, runs)
    stored = runs.database.evaluations(record.run) if runs.database.has_run(record.run) else []
    if len(stored) < len(population):
        raise ValueError(f"job {runs.job!r} needs a fitted predictor; make it with: nas fit JOB")
    kept = [entry for entry in stored if not entry.failure]
    values = {name: np.array([entry.values[name] for entry in kept]) for name in subject.metric_names}
    failures = tuple(FailedCandidate(entry.candidate.key, entry.failure) for entry in stored if entry.failure)
    rows = np.array([entry.sequence for entry in kept], dtype=np.int64)
    measured = Measurements(population.take(rows), values, failures)
    _check_enough(measured)
    return _fitted(section, subject, measured, runs.seed)


def _check_enough(measured: Measurements) -> None:
    """Refuses to fit predictors to what few candidates that did not fail are left."""
    if measured.failures and len(measured) < _FEWEST:
        raise TooManyFailures(
            f"a predictor is fitted to {_FEWEST} or more candidates, and {len(measured)} could be measured; the first "
            f"that could not: {measured.failures[0].reason}"
        )


def _record(section: FitSection, subject: Subject, runs: JobRuns) -> RunRecord:
    """The database record of the measurements, which are the same on all devices."""
    return runs.record("fit", {**subject.inputs, "candidates": section.candidates}, subject=subject.digest)


def _fitted(section: FitSection, subject: Subject, measured: Measurements, seed: int) -> Fitted:
    predictions: dict[str, Evaluator] = {}
    for metric in subject.measurement.metrics:
        name = metric.metric.name
        predictor = _maker(section, seed)()
        predictor.fit(measured.population.features(), measured.values[name])
        predictions[name] = FittedMetric(predictor, subject.space, metric.metric.bounds)
    return Fitted(subject, measured, predictions, section)


def _maker(section: FitSection, seed: int) -> Callable[[], Predictor]:
    return partial(create_predictor, section.predictor, seed)


def _choose_candidates(section: FitSection, subject: Subject, runs: JobRuns) -> Population:
    return representative_sample(subject.space, np.random.default_rng([runs.seed, _STREAM]), section.candidates)
