"""Two fidelities: what is evaluated in full was the best at the low one, both are kept, and a killed run goes on."""

from __future__ import annotations

import numpy as np
import pytest

from nas.objectives import FloatArray, Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import Dispatch, SearchPlan
from nas.search.searchers.multi_fidelity import MultiFidelity
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord
from results.metric import METRICS
from search_spaces.families.tabular import TabularSpace
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

EVALUATIONS, RATIO = 24, 5


class Killed(BaseException):
    """Ends a run from outside."""


class Cells:
    """Cells of NAS-Bench-201; dies after so many evaluations in full."""

    def __init__(self, table: TabularSpace, die_after: int | None = None) -> None:
        self.space = JointSpace(table)
        self._table, self._left = table, die_after

    def accuracy(self, population: Population) -> FloatArray:
        if population.fidelity < 1.0:
            return self._table.column(population, "cifar10_val_12e")
        if self._left is not None:
            self._left -= len(population)
            if self._left < 0:
                raise Killed
        return self._table.column(population, "cifar10_test_200e")

    def search(self, database: ResultsDatabase, in_flight: int | None = None) -> list[Evaluation]:
        objectives = (
            Objective(METRICS["accuracy"], self.accuracy),
            Objective(METRICS["latency_ms"], lambda population: self._table.column(population, "eyeriss")),
        )
        problem, method = SearchProblem(self.space, objectives), MultiFidelity(fidelity=0.06, ratio=RATIO)
        dispatch = Dispatch(in_flight=in_flight, chunk=3)
        found = run_search(
            SearchPlan(problem, method, RunRecord("run", {}, 0), EVALUATIONS, dispatch=dispatch), database
        )
        stored = database.evaluations("run")
        assert found.population.candidates == tuple(entry.candidate for entry in stored if entry.fidelity == 1.0)
        return stored


@pytest.fixture(scope="module")
def undisturbed(nasbench201: TabularSpace) -> list[Evaluation]:
    with ResultsDatabase("sqlite://") as database:
        return Cells(nasbench201).search(database)


def test_what_is_evaluated_in_full_was_the_best_at_the_low_fidelity(undisturbed: list[Evaluation]) -> None:
    full = [entry for entry in undisturbed if entry.fidelity == 1.0]
    low = [entry for entry in undisturbed if entry.fidelity == 0.06]
    assert (len(full), len(low)) == (EVALUATIONS, EVALUATIONS * RATIO)
    assert len(undisturbed) == len(full) + len(low)
    looked_at = [entry.candidate.key for entry in low]
    assert len(set(looked_at)) == len(looked_at)
    evaluated = [entry.candidate.key for entry in full]
    assert set(evaluated) < set(looked_at)
    short = {entry.candidate.key: entry.values["accuracy"] for entry in low}
    assert np.median([short[key] for key in evaluated]) > np.median(list(short.values())) + 2


@pytest.mark.parametrize("die_after", [0, 4, 13, 23])
def test_a_killed_run_goes_on(nasbench201: TabularSpace, undisturbed: list[Evaluation], die_after: int) -> None:
    with ResultsDatabase("sqlite://") as database:
        with pytest.raises(Killed):
            Cells(nasbench201, die_after).search(database)
        assert Cells(nasbench201).search(database) == undisturbed


def test_told_one_by_one_it_chooses_too_and_a_replay_is_exact(nasbench201: TabularSpace) -> None:
    with ResultsDatabase("sqlite://") as database:
        found = Cells(nasbench201).search(database, in_flight=3)
        assert Cells(nasbench201, die_after=0).search(database, in_flight=3) == found
    full = [entry for entry in found if entry.fidelity == 1.0]
    low = {entry.candidate.key: entry.tell_order for entry in found if entry.fidelity < 1.0}
    assert (len(full), len(low)) == (EVALUATIONS, EVALUATIONS * RATIO)
    assert all(low[entry.candidate.key] < entry.tell_order for entry in full)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"fidelity must lie between 0 and 1, got 1"):
        MultiFidelity(fidelity=1.0)
    with pytest.raises(ValueError, match="ratio must be from 1 to 1,000, got 0"):
        MultiFidelity(ratio=0)
