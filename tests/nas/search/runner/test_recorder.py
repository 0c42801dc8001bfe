"""What is stored is read back, what is not is evaluated; both fidelities of a candidate are stored as what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.objectives import FloatArray, Objective
from nas.search.runner.failures import FailureTally
from nas.search.runner.in_flight import InFlight
from nas.search.runner.recorder import Recorder
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))
POPULATION = SPACE.sample(np.random.default_rng(0), 6).unique()


def recorder(database: ResultsDatabase, evaluated: list[float], known: list[int]) -> Recorder:
    def evaluate(population: Population) -> FloatArray:
        evaluated.extend([population.fidelity] * len(population))
        return population.fidelity * np.arange(1.0, len(population) + 1)

    objective = Objective(METRICS["macs"], evaluate)
    record, in_flight = RunRecord("run", {}, 0), InFlight([objective], 100)
    return Recorder(database, record, "measured", in_flight, FailureTally(12), known.append)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_fidelities_are_stored_and_only_full_ones_are_counted(one_by_one: bool) -> None:
    low, evaluated, known = replace(POPULATION, fidelity=0.25), list[float](), list[int]()

    def values() -> list[list[float]]:
        made = recorder(database, evaluated, known)
        if not one_by_one:
            return [made.evaluate(some).values[:, 0].tolist() for some in (low, POPULATION)]
        for some in (low, POPULATION):
            made.start(some)
        outcomes = [made.finish_one() for _ in range(2 * len(POPULATION))]
        return [[one.values[0, 0] for one in outcomes if one.population.fidelity == share] for share in (0.25, 1.0)]

    with ResultsDatabase("sqlite://") as database:
        found = values()
        stored = database.evaluations("run")
        assert [entry.fidelity for entry in stored] == evaluated == [0.25] * 6 + [1.0] * 6
        assert [entry.sequence for entry in stored] == [entry.tell_order for entry in stored] == list(range(12))
        assert sum(known) == 6
        assert values() == found == [[0.25, 0.5, 0.75, 1.0, 1.25, 1.5], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]
        assert len(evaluated) == 12  # the second time, all was read back


def test_another_fidelity_at_a_number_is_another_run() -> None:
    with ResultsDatabase("sqlite://") as database:
        recorder(database, [], []).evaluate(POPULATION)
        with pytest.raises(ValueError, match="holds another candidate at number 0"):
            recorder(database, [], []).evaluate(replace(POPULATION, fidelity=0.5))
