"""The searchers of this project in Ray Tune: a searcher chooses the candidates, `tune.Tuner` runs the trials.

A trial's configuration holds a candidate as JSON; it reports the metrics of the objectives in their natural units.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from ray.tune.search import Searcher as TuneSearcher

from nas.objectives import compute_costs, compute_violations
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod
from search_spaces.candidate import Candidate
from search_spaces.population import Population

CANDIDATE = "candidate"  # the key of a trial's configuration that holds the candidate


class SearcherInTune(TuneSearcher):  # type: ignore[misc]  # Ray has no types
    """Asks the searcher for one candidate per trial, and tells it what the trial last reported.

    Limit the trials that run at the same time with `tune.TuneConfig(max_concurrent_trials=...)`. A trial that failed,
    did not report all objectives, or reported one that is not finite, is told as a failure. An experiment that is
    restored replays its history of asks and tells into a fresh searcher.

    Args:
        method: The search method.
        problem: The search problem; trials report its objectives under the names of their metrics.
        seed: Seed of the searcher.

    Raises:
        ValueError: If the method cannot search the problem, or asks for evaluations at a low fidelity: a trial that a
            scheduler stops early is not such an evaluation.
    """

    def __init__(self, method: SearchMethod, problem: SearchProblem, seed: int) -> None:
        super().__init__()
        method.check(problem)
        if method.uses_low_fidelity:
            raise ValueError(f"Ray Tune runs every trial in full, and {method} asks for others; use linas")
        self._method, self._problem, self._seed = method, problem, seed
        self._searcher = method.create(problem, seed)
        self._running: dict[str, Population] = {}
        # (trial, None) is an ask, (trial, values) a tell, (trial, no values) a failure
        self._story: list[tuple[str, list[float] | None]] = []

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:  # noqa: ARG002
        """Accepts any metric and mode, which the objectives replace, but no search space of Tune's own in `config`."""
        return not config

    def suggest(self, trial_id: str) -> dict[str, str] | str:
        """The configuration of a new trial; `FINISHED` once the searcher finds no new candidate."""
        population = self._ask(trial_id)
        return {CANDIDATE: population[0].to_json()} if len(population) else TuneSearcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the searcher what a trial reported last.

        Args:
            trial_id: The trial.
            result: The last values that it reported, by name; None if it reported none.
            error: Whether it failed.
        """
        names = [objective.metric.name for objective in self._problem.objectives]
        reported = not error and result is not None and all(name in result for name in names)
        values = [float(result[name]) for name in names] if reported and result is not None else []
        self._tell(trial_id, values if all(map(math.isfinite, values)) else [])

    def save(self, checkpoint_path: str) -> None:
        """Writes the history of asks and tells as JSON."""
        Path(checkpoint_path).write_text(json.dumps(self._story))

    def restore(self, checkpoint_path: str) -> None:
        """Replays a saved history into a fresh searcher."""
        self._searcher, self._running, self._story = self._method.create(self._problem, self._seed), {}, []
        for trial_id, values in json.loads(Path(checkpoint_path).read_text()):
            if values is None:
                self._ask(trial_id)
            else:
                self._tell(trial_id, values)

    def _ask(self, trial_id: str) -> Population:
        population = self._searcher.ask(1)
        self._running[trial_id] = population
        self._story.append((trial_id, None))
        return population

    def _tell(self, trial_id: str, values: list[float]) -> None:
        """Tells the searcher the values of a trial; none if it failed."""
        table, objectives, one = np.array([values]), self._problem.objectives, self._running.pop(trial_id)
        if values:
            self._searcher.tell(one, compute_costs(objectives, table), compute_violations(objectives, table))
        else:
            self._searcher.tell_failures(one)
        self._story.append((trial_id, values))


def read_candidate(config: dict[str, Any]) -> Candidate:
    """The candidate of a trial's configuration."""
    return Candidate.from_json(config[CANDIDATE])
