"""Screening: what is evaluated was looked at, both fidelities are kept, and a killed run goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.objectives import FloatArray, Objective
from nas.search.archive import Archive
from nas.search.glance import Glance
from nas.search.loop import run_search
from nas.search.problem import SearchProblem
from nas.search.registry import searcher
from nas.search.screening import Screening
from predictors.registry import PREDICTORS
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord
from results.metric import METRICS
from search_spaces.families.tabular import TabularSpace
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

RECORD = RunRecord("run", {}, 0)
LOOKS = replace(RECORD, run="looks")
EVALUATIONS, RATIO = 24, 5


class Killed(BaseException):
    """Ends a run from outside."""


class Cells:
    """Cells of NAS-Bench-201; dies after so many full evaluations."""

    def __init__(self, table: TabularSpace, die_after: int | None = None) -> None:
        self.space = JointSpace(table)
        self._table, self._left = table, die_after

    def accuracy(self, population: Population) -> FloatArray:
        if self._left is not None:
            self._left -= len(population)
            if self._left < 0:
                raise Killed
        return self._table.column(population, "cifar10_test_200e")

    def short_accuracy(self, population: Population) -> FloatArray:
        return self._table.column(population, "cifar10_val_12e")

    def latency(self, population: Population) -> FloatArray:
        return self._table.column(population, "eyeriss")

    def searched(self, database: ResultsDatabase, ratio: int = RATIO) -> list[Evaluation]:
        latency = Objective(METRICS["latency_ms"], self.latency)
        objectives = (Objective(METRICS["accuracy"], self.accuracy), latency)
        looks = Screening((Objective(METRICS["accuracy"], self.short_accuracy), latency), ratio, LOOKS, 12 / 200)
        made = searcher("screened", self.space, objectives, 0)
        run_search(made, objectives, database, EVALUATIONS, record=RECORD, screening=looks, chunk=3)
        return database.evaluations("run")


@pytest.fixture(scope="module")
def undisturbed(nasbench201: TabularSpace) -> tuple[list[Evaluation], list[Evaluation]]:
    with ResultsDatabase("sqlite://") as database:
        return Cells(nasbench201).searched(database), database.evaluations("looks")


def test_what_is_evaluated_was_the_best_of_what_was_looked_at(
    undisturbed: tuple[list[Evaluation], list[Evaluation]],
) -> None:
    found, looks = undisturbed
    assert (len(found), len(looks)) == (EVALUATIONS, EVALUATIONS * RATIO)
    assert {(entry.source, entry.fidelity) for entry in looks} == {("measured", 12 / 200)}
    screened = [entry.candidate.key for entry in looks]
    assert len(set(screened)) == len(screened)
    evaluated = [entry.candidate.key for entry in found]
    assert set(evaluated) < set(screened)
    short = {entry.candidate.key: entry.values["accuracy"] for entry in looks}
    assert np.median([short[key] for key in evaluated]) > np.median(list(short.values())) + 2


@pytest.mark.parametrize("die_after", [0, 4, 13, 23])
def test_a_killed_run_goes_on(
    nasbench201: TabularSpace, undisturbed: tuple[list[Evaluation], list[Evaluation]], die_after: int
) -> None:
    with ResultsDatabase("sqlite://") as database:
        with pytest.raises(Killed):
            Cells(nasbench201, die_after).searched(database)
        assert (Cells(nasbench201).searched(database), database.evaluations("looks")) == undisturbed


def test_looks_at_a_constraint_are_not_cut_at_its_limit(nasbench201: TabularSpace) -> None:
    cells = Cells(nasbench201)
    accuracy = Objective(METRICS["accuracy"], cells.accuracy, limit=60.0, constraint=True)
    objectives = (accuracy, Objective(METRICS["latency_ms"], cells.latency))
    problem = SearchProblem(cells.space, objectives, predictor=PREDICTORS["ridge"])
    screened, others = (cells.space.sample(np.random.default_rng(seed), 80) for seed in (0, 1))
    archive = Archive(problem)
    told = np.column_stack([-cells.short_accuracy(screened), cells.latency(screened)])
    archive.add(screened, told, np.zeros(len(screened)))
    glance = Glance(problem, 0, archive, np.random.default_rng(0))
    accuracies = -glance.costs(others)[:, 0]
    assert accuracies.min() < 60 < accuracies.max()


def test_other_searchers_and_single_tells_are_refused(nasbench201: TabularSpace) -> None:
    cells = Cells(nasbench201)
    objectives = (Objective(METRICS["accuracy"], cells.accuracy),)
    looks = Screening(objectives, 2, LOOKS, 0.1)
    with ResultsDatabase("sqlite://") as database:
        for name, in_flight in (("random", None), ("screened", 2)):
            made = searcher(name, cells.space, objectives, 0)
            with pytest.raises(ValueError, match="screening, a searcher that is made for it, and batches"):
                run_search(made, objectives, database, 5, record=RECORD, screening=looks, in_flight=in_flight)
        with pytest.raises(ValueError, match="need one another"):
            run_search(searcher("screened", cells.space, objectives, 0), objectives, database, 5, record=RECORD)
        latency = Objective(METRICS["latency_ms"], cells.latency)
        for wrong, message in (
            (
                Screening((latency,), 2, LOOKS, 0.1),
                r"needs the objectives of its search, \['accuracy'\], got \['latency_ms'\]",
            ),
            (
                Screening(objectives, 2, RECORD, 0.1),
                "a screening needs a run of its own, got that of its search, 'run'",
            ),
        ):
            made = searcher("screened", cells.space, objectives, 0)
            with pytest.raises(ValueError, match=message):
                run_search(made, objectives, database, 5, record=RECORD, screening=wrong)
    with pytest.raises(ValueError, match="looks at 1 or more candidates for each evaluation, got 0"):
        Screening(objectives, 0, LOOKS, 0.1)
