"""Our searchers in Ray Tune: `tune.Tuner` starts, schedules and stops the trials, a searcher says which.

In: a searcher and its objectives. Out: a search algorithm of Tune. A trial's configuration holds a candidate as JSON;
it reports the metrics of the objectives in their natural units.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ray.tune.search import Searcher as TuneSearcher

from nas.objectives import Objective, costs, violations
from nas.search.screening import ScreeningSearcher
from nas.search.searcher import Searcher
from search_spaces.candidate import Candidate
from search_spaces.population import Population

CANDIDATE = "candidate"  # key of a trial's configuration


class SearcherInTune(TuneSearcher):  # type: ignore[misc]  # Ray has no types
    """Asks for a candidate per trial, and tells what the trial last reported.

    Limit the trials that run at the same time with `tune.TuneConfig(max_concurrent_trials=...)`. A trial that fails, or
    that a scheduler stops before it reported, is not told.

    Args:
        make: Makes the freshly seeded searcher; called again when an experiment is restored, which replays its story.
        objectives: What trials report, by the names of their metrics.

    Raises:
        ValueError: If the searcher is one for screenings.
    """

    def __init__(self, make: Callable[[], Searcher], objectives: Sequence[Objective]) -> None:
        super().__init__()
        self._make, self._objectives = make, list(objectives)
        self._searcher = make()
        if isinstance(self._searcher, ScreeningSearcher):
            raise ValueError("a searcher for screenings learns nothing from the trials of Ray Tune; use linas")
        self._running: dict[str, Population] = {}
        self._story: list[tuple[str, list[float] | None]] = []  # trial and None for an ask, or the values told

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:  # noqa: ARG002
        """Whatever Tune optimises: the objectives say it."""
        return not config

    def suggest(self, trial_id: str) -> dict[str, str] | str:
        """The configuration of a new trial; that the search is over, once the space is exhausted."""
        population = self._ask(trial_id)
        return {CANDIDATE: population[0].to_json()} if len(population) else TuneSearcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the searcher what a trial reported last."""
        names = [objective.metric.name for objective in self._objectives]
        if error or result is None or any(name not in result for name in names):
            self._running.pop(trial_id, None)
            return
        self._tell(trial_id, [float(result[name]) for name in names])

    def save(self, checkpoint_path: str) -> None:
        """Writes the story of asks and tells as JSON."""
        Path(checkpoint_path).write_text(json.dumps(self._story))

    def restore(self, checkpoint_path: str) -> None:
        """Replays a story into a freshly seeded searcher."""
        self._searcher, self._running, self._story = self._make(), {}, []
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
        table = np.array([values])
        told = self._running.pop(trial_id)
        self._searcher.tell(told, costs(self._objectives, table), violations(self._objectives, table))
        self._story.append((trial_id, values))


def candidate_of(config: dict[str, Any]) -> Candidate:
    """The candidate of a trial's configuration."""
    return Candidate.from_json(config[CANDIDATE])
