"""Stage 3: measure candidates on the supernet, and fit the accuracy predictor.

In: a checkpoint and the job's fit section. Out: a fitted predictor and its held-out report.
The measured candidates lie in the database; the predictor is fitted anew from them, never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from nas.jobs.stages.sampling import representative_sample
from nas.jobs.stages.warm_start import Known
from nas.jobs.workspace import Workspace
from nas.objectives import FloatArray, MeasuredEvaluator, Objective
from nas.search.runner.recorder import Recorder
from predictors.predictor import Predictor
from predictors.quality import cross_validate
from predictors.registry import create_predictor
from results.evaluation import RunRecord, Source
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

_STREAM = 1  # of the job's seed, so that the search does not start on the candidates that were fitted


class FittedAccuracy:
    """A fitted predictor of accuracy in percent, as an evaluator; a linear one is summed gene by gene."""

    def __init__(self, predictor: Predictor, space: JointSpace) -> None:
        self._predictor, self._by_gene, self._offset = predictor, None, 0.0
        linear = predictor.linear
        if linear is not None and len(linear.slope) == space.cardinalities.sum():  # else the space adds features
            self._by_gene, self._offset = space.tabulate_linear(linear.slope), linear.offset

    def __call__(self, population: Population) -> FloatArray:
        """Predicted accuracy, shape (n,)."""
        if self._by_gene is not None:
            mean = self._offset + self._by_gene(population.genes)
        else:
            mean = self._predictor.predict(population.features()).mean
        return np.clip(mean, 0.0, 100.0)


def fit(workspace: Workspace, checkpoint: Path) -> FittedAccuracy:
    """Measures what is not measured yet, then fits, and says how good that is on candidates that were left out."""
    population = _candidates(workspace)
    record = _record(workspace, checkpoint)
    measured = measure_accuracy(workspace, checkpoint, record, population, "measure to fit")
    report = cross_validate(_predictor(workspace), population.features(), measured, seed=workspace.job.seed)
    workspace.reporter.say(f"fit      {workspace.job.fit.predictor}: {report}")
    return _fitted(workspace, population, measured)


def fitted_accuracy(workspace: Workspace, checkpoint: Path) -> FittedAccuracy:
    """The predictor fitted to the measurements in the database.

    Raises:
        ValueError: If the measurements are not complete.
    """
    known = measured_to_fit(workspace, checkpoint)
    return _fitted(workspace, known.population, known.accuracy)


def measured_to_fit(workspace: Workspace, checkpoint: Path) -> Known:
    """The candidates that the predictor is fitted to, and their accuracies in the database.

    Raises:
        ValueError: If the measurements are not complete.
    """
    population = _candidates(workspace)
    record = _record(workspace, checkpoint)
    begun = workspace.database.has_run(record.run)
    stored = workspace.database.evaluations(record.run) if begun else []
    if len(stored) < len(population):
        raise ValueError(f"job {workspace.job.name!r} needs a fitted predictor; make it with: nas fit JOB")
    return Known(population, np.array([entry.values["accuracy"] for entry in stored]))


def _record(workspace: Workspace, checkpoint: Path) -> RunRecord:
    """The database record of the measurements."""
    candidates, processor = workspace.job.fit.candidates, workspace.processor
    inputs = {"supernet": checkpoint, "candidates": candidates, "processor": processor}
    return workspace.record("fit", inputs, device="any")  # accuracy is the same on all devices


def measure_accuracy(
    workspace: Workspace,
    checkpoint: Path,
    record: RunRecord,
    population: Population,
    title: str,
    costs: Sequence[Objective] = (),
) -> FloatArray:
    """Measured accuracy in percent, shape (n,); stored ones are read back.

    Args:
        workspace: Says where candidates are measured.
        checkpoint: The trained supernet.
        record: The database run of the measurements.
        population: The candidates, n of them.
        title: What the progress bar says.
        costs: What is stored with each accuracy; the evaluations then count as verified, not as measured.
    """
    source: Source = "verified" if costs else "measured"
    with (
        workspace.pool() as pool,
        workspace.reporter.bar(title, len(population)) as bar,
        workspace.database.run_lock(record.run),
    ):
        accuracy = MeasuredEvaluator(pool.measuring(workspace.measurement(checkpoint)), "accuracy")
        objectives = [Objective(METRICS["accuracy"], accuracy), *costs]
        recorder = Recorder(workspace.database, record, source, objectives, len(population), bar.advance)
        measured = recorder.evaluate(population)
    return measured.values[:, 0]


def _fitted(workspace: Workspace, population: Population, accuracy: FloatArray) -> FittedAccuracy:
    fitted = _predictor(workspace)()
    fitted.fit(population.features(), accuracy)
    return FittedAccuracy(fitted, workspace.space)


def _predictor(workspace: Workspace) -> Callable[[], Predictor]:
    return partial(create_predictor, workspace.job.fit.predictor, workspace.job.seed)


def _candidates(workspace: Workspace) -> Population:
    rng = np.random.default_rng([workspace.job.seed, _STREAM])
    return representative_sample(workspace.space, rng, workspace.job.fit.candidates)
