"""The one loop: a run that is killed anywhere goes on as if it never was."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock
from time import sleep
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hardware.analytic import network_cost
from nas.objectives import Failure, FloatArray, Measured, MeasuredEvaluator, NothingFeasible, Objective
from nas.search.protocol.first_design import create_first_design
from nas.search.protocol.problem import SearchProblem
from nas.search.registry import read_options
from nas.search.runner.failures import TooManyFailures
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import Dispatch, SearchPlan, SearchResult
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.metric import Metric, get_metric
from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.search_space import Genes
from search_spaces.value_selector import ValueSelector

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
BUDGET, BATCH, CHUNK = 130, 55, 20  # batches of 55, 55 and 20: chunks of 20, 20, 15, 20, 20, 15 and 20
CHUNKS = 7
SMALL: dict[str, ValueSelector] = {"0.0.ratio": [0.5], "0.1.ratio": [0.5], "0.width": [16], "1.width": [24]}
MACS, PARAMETERS = network_cost(SPACE, "macs"), network_cost(SPACE, "parameters")


class Killed(BaseException):
    """Ends a run from outside."""


class Bench:
    """Prices candidates, remembers whom it priced, and dies when it is asked for one chunk too many."""

    def __init__(self, die_at: int | None = None) -> None:
        self.die_at = die_at
        self.priced: list[str] = []
        self.calls = 0

    def macs(self, population: Population) -> FloatArray:
        if self.calls == self.die_at:
            raise Killed
        self.calls += 1
        self.priced += [population[row].key for row in range(len(population))]
        return MACS(population.genes)

    def problem(self, macs: float | None = None, parameters: float | None = None) -> SearchProblem:
        capacity = Metric("capacity", "count", maximize=True)
        objectives = (
            Objective(get_metric("macs"), self.macs, macs),
            Objective(capacity, lambda population: PARAMETERS(population.genes), parameters),
        )
        return SearchProblem(SPACE, objectives)


class Late(ThreadPoolExecutor):
    """Measures candidates one by one, of which some take longer; the values are those of `Bench`."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(3)
        self._bench, self._lock = bench, Lock()

    def submit(self, candidate: Candidate, fidelity: float) -> Future[Measured]:  # type: ignore[override]
        return super().submit(self._measure, candidate)

    def _measure(self, candidate: Candidate) -> Measured:
        sleep(int(candidate.key, 16) % 5 / 200)
        with self._lock:
            return {"macs": float(self._bench.macs(SPACE.encode([candidate]))[0])}

    def problem(self) -> SearchProblem:
        macs, capacity = self._bench.problem().objectives
        return SearchProblem(SPACE, (replace(macs, evaluate=MeasuredEvaluator(self, "macs")), capacity))


def record(name: str) -> RunRecord:
    return RunRecord("run", {"searcher": name}, 3)


def plan(name: str, problem: SearchProblem, budget: int, **rest: Any) -> SearchPlan:
    return SearchPlan(problem, read_options(name, {}), record(name), budget, **rest)


def run(
    name: str, database: ResultsDatabase, bench: Bench, budget: int = BUDGET, batch: int = BATCH, chunk: int = CHUNK
) -> pd.DataFrame:
    """The rows that a search stored, which are what it returned."""
    found = run_search(plan(name, bench.problem(), budget, dispatch=Dispatch(batch, chunk=chunk)), database)
    return same_rows(found, database)


def same_rows(found: SearchResult, database: ResultsDatabase) -> pd.DataFrame:
    rows = database.frame(run="run").head(len(found))
    assert [candidate.key for candidate in found.population.candidates] == rows["key"].tolist()
    assert np.array_equal(found.values, rows[["macs", "capacity"]])
    return rows


@pytest.fixture(params=["random", "nsga2", "linas"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(tmp_path: Path) -> ResultsDatabase:
    return ResultsDatabase(f"sqlite:///{tmp_path}/results.db")


def test_a_run_stores_what_it_returns(name: str, database: ResultsDatabase) -> None:
    bench = Bench()
    known: list[int] = []
    asked = plan(name, bench.problem(), BUDGET, source="predicted")
    found = run_search(asked, database, lambda more, _: known.append(more))
    rows = same_rows(found, database)
    assert sum(known) == len(found) == BUDGET
    assert rows["key"].tolist() == bench.priced
    assert rows["key"].is_unique
    assert rows["sequence"].tolist() == list(range(BUDGET))
    assert set(rows["source"]) == {"predicted"}
    assert np.array_equal(rows["macs"], MACS(found.population.genes))
    assert np.array_equal(rows["capacity"], PARAMETERS(found.population.genes))


def test_killed_at_any_chunk_it_ends_the_same_and_measures_nothing_twice(
    name: str, database: ResultsDatabase, tmp_path: Path
) -> None:
    undisturbed = run(name, database, Bench())
    # where it dies is the loop's affair; linas takes a second for what others do in milliseconds
    for die_at in (4,) if name == "linas" else range(CHUNKS):
        with ResultsDatabase(f"sqlite:///{tmp_path}/killed{die_at}.db") as other:
            first, second = Bench(die_at), Bench()
            with pytest.raises(Killed):
                run(name, other, first)
            resumed = run(name, other, second)
            assert len(first.priced) + len(second.priced) == BUDGET
            assert not set(first.priced) & set(second.priced)
            pd.testing.assert_frame_equal(resumed, undisturbed)
            assert not run(name, other, untouched := Bench()).empty  # a finished run only reads
            assert untouched.priced == []


def run_as_they_come(name: str, database: ResultsDatabase, bench: Bench, in_flight: int = 4) -> pd.DataFrame:
    with Late(bench) as late:
        asked = plan(name, late.problem(), 60, dispatch=Dispatch(in_flight=in_flight))
        return same_rows(run_search(asked, database), database)


def test_killed_as_they_come_nothing_is_lost_and_a_replay_is_exact(
    name: str, database: ResultsDatabase, tmp_path: Path
) -> None:
    first, second = Bench(die_at=37), Bench()
    with pytest.raises(Killed):
        run_as_they_come(name, database, first)
    stored = {entry.candidate.key for entry in database.evaluations("run")}
    frame = run_as_they_come(name, database, second)
    assert frame["key"].is_unique
    assert len(frame) == 60
    assert not stored & set(second.priced)
    assert len(stored) + len(second.priced) == 60
    orders = [entry.tell_order for entry in database.evaluations("run")]
    assert sorted(orders) == list(range(60))
    assert orders != sorted(orders)  # else this tests nothing
    pd.testing.assert_frame_equal(run_as_they_come(name, database, untouched := Bench()), frame)
    assert untouched.priced == []


def test_what_is_known_counts_as_found(name: str, database: ResultsDatabase) -> None:
    everything = SPACE.sample(np.random.default_rng(0), 30)
    known = np.column_stack([MACS(everything.genes), PARAMETERS(everything.genes)])
    problem = Bench().problem(macs=float(known[:, 0].min()) * 0.999)
    feasible = SearchResult(everything, known * [0.5, 1.0])  # pretends to keep the limit, as nothing evaluated does
    assert len(run_search(plan(name, problem, 4, known=feasible, dispatch=Dispatch(4)), database)) == 4


def test_a_space_of_which_all_is_known_is_not_searched(name: str, database: ResultsDatabase) -> None:
    space = JointSpace(RestrictedSpace(create_space("resnet_digits", 1, 10), SMALL))
    genes = np.indices(tuple(space.cardinalities)).reshape(len(space.cardinalities), -1).T
    everything = space.population(genes).unique()
    problem = SearchProblem(space, (Objective(get_metric("macs"), lambda _: np.empty(0)),))
    known = SearchResult(everything, network_cost(space, "macs")(everything.genes)[:, None])
    assert len(run_search(plan(name, problem, 5, known=known), database)) == 0


def test_another_number_in_flight_is_another_run(name: str, database: ResultsDatabase) -> None:
    run_as_they_come(name, database, Bench())
    if name != "random":  # which would ask for the same
        with pytest.raises(ValueError, match="holds another candidate"):
            run_as_they_come(name, database, Bench(), in_flight=50)


def test_measured_one_by_one_in_batches_the_order_of_outcomes_changes_nothing(
    name: str, database: ResultsDatabase, tmp_path: Path
) -> None:
    undisturbed = run(name, database, Bench(), budget=60, batch=30)
    with ResultsDatabase(f"sqlite:///{tmp_path}/late.db") as other, Late(bench := Bench()) as late:
        rows = same_rows(run_search(plan(name, late.problem(), 60, dispatch=Dispatch(30)), other), other)
        assert bench.priced != rows["key"].tolist()
        pd.testing.assert_frame_equal(rows, undisturbed)


def test_objectives_of_one_measurement_measure_a_candidate_once(database: ResultsDatabase) -> None:
    class Both(ThreadPoolExecutor):
        submitted = 0

        def submit(self, candidate: Candidate, fidelity: float) -> Future[Measured]:  # type: ignore[override]
            self.submitted += 1
            return super().submit(lambda: {"macs": fidelity, "bops": 2.0 * fidelity})

    with Both(1) as both:
        objectives = [Objective(get_metric(name), MeasuredEvaluator(both, name)) for name in ("bops", "macs")]
        found = run_search(plan("random", SearchProblem(SPACE, tuple(objectives)), 7), database)
        assert found.values.tolist() == [[2.0, 1.0]] * 7
        assert both.submitted == 7
        lacking = Objective(get_metric("accuracy"), MeasuredEvaluator(both, "accuracy"))
        again = plan("random", SearchProblem(SPACE, (lacking,)), 7)
        with pytest.raises(ValueError, match="a measurement that gives accuracy is needed, got one of macs, bops"):
            run_search(replace(again, record=RunRecord("other", {}, 0)), database)


@pytest.mark.parametrize("in_flight", [None, 4])
def test_a_candidate_is_decoded_once_on_its_way_from_asked_to_found(
    in_flight: int | None, database: ResultsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    decode = JointSpace.decode

    def counted(space: JointSpace, genes: Genes) -> list[Candidate]:
        decoded.append(len(genes))
        return decode(space, genes)

    class Keys(ThreadPoolExecutor):
        def submit(self, candidate: Candidate, fidelity: float) -> Future[Measured]:  # type: ignore[override]
            return super().submit(lambda: {"macs": float(len(candidate.key))})

    monkeypatch.setattr(JointSpace, "decode", counted)
    with Keys(2) as keys:
        problem = SearchProblem(SPACE, (Objective(get_metric("macs"), MeasuredEvaluator(keys, "macs")),))
        found = run_search(plan("nsga2", problem, 50, dispatch=Dispatch(in_flight=in_flight)), database)
    assert len({candidate.key for candidate in found.population.candidates}) == 50
    assert sum(decoded) == 50


def test_chunks_change_nothing_and_a_larger_budget_goes_on(
    name: str, database: ResultsDatabase, tmp_path: Path
) -> None:
    undisturbed = run(name, database, Bench())
    with ResultsDatabase(f"sqlite:///{tmp_path}/other.db") as other:
        run(name, other, Bench(), chunk=17, budget=BATCH + 3)
        pd.testing.assert_frame_equal(run(name, other, Bench(), chunk=1000), undisturbed)


def test_an_exhausted_space_ends_the_run(name: str, database: ResultsDatabase) -> None:
    small = JointSpace(create_space("resnet_digits", 1, 10))
    cost = network_cost(small, "macs")
    problem = SearchProblem(small, (Objective(get_metric("macs"), lambda population: cost(population.genes)),))
    found = run_search(plan(name, problem, 10_000), database)
    assert len(found) == len(found.population.unique()) == 288
    assert found.exhausted
    assert not run_search(plan(name, problem, 200), database).exhausted


def test_nothing_feasible_names_the_limits_and_the_nearest(name: str, database: ResultsDatabase) -> None:
    bench = Bench()
    asked = plan(name, bench.problem(macs=1000.0, parameters=1e9), 150, dispatch=Dispatch(50))
    with pytest.raises(NothingFeasible, match=r"macs <= 1000 and capacity >= 1e\+09.*nearest of 150") as caught:
        run_search(asked, database)
    stored = database.frame(run="run")
    assert len(stored) == len(bench.priced) == 150
    misses = (stored["macs"] / 1000 - 1).clip(lower=0) + (1 - stored["capacity"] / 1e9).clip(lower=0)
    nearest = stored.loc[misses.idxmin()]
    assert f"macs {nearest['macs']:.4g}, capacity {nearest['capacity']:.4g}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_feasible_candidate_is_enough(name: str, database: ResultsDatabase) -> None:
    free = run(name, database, Bench(), budget=BATCH)  # a first batch is asked before anything is told
    problem = Bench().problem(macs=float(free["macs"].min()))
    limited = replace(plan(name, problem, BATCH, dispatch=Dispatch(BATCH)), record=replace(record(name), run="limited"))
    assert [one.key for one in run_search(limited, database).population.candidates] == free["key"].tolist()


def test_a_run_of_other_candidates_is_refused_and_kept(name: str, database: ResultsDatabase) -> None:
    before = run(name, database, Bench(), budget=50)
    asked = plan(name, Bench().problem(), 60)
    with pytest.raises(ValueError, match=r"holds another candidate at number \d+.* start it under a new name"):
        run_search(replace(asked, dispatch=Dispatch(7), known=SearchResult(*known_elsewhere())), database)
    pd.testing.assert_frame_equal(database.frame(run="run"), before)


def known_elsewhere() -> tuple[Population, FloatArray]:
    """Candidates that every searcher asks for at the start, so that a search which is told them asks for others."""
    found = create_first_design(SPACE, 20, 3)
    return found, np.column_stack([MACS(found.genes), PARAMETERS(found.genes)])


def test_values_of_another_kind_are_not_taken_for_these(name: str, database: ResultsDatabase) -> None:
    run(name, database, Bench(), budget=20)
    problem = Bench().problem()
    with pytest.raises(ValueError, match="holds measured values of macs, capacity, not predicted ones"):
        run_search(plan(name, problem, 30, source="predicted"), database)
    macs, capacity = problem.objectives
    renamed = SearchProblem(SPACE, (replace(macs, metric=get_metric("bops")), capacity))
    with pytest.raises(ValueError, match="holds measured values of macs, capacity, not measured ones of bops"):
        run_search(plan(name, renamed, 30, dispatch=Dispatch(BATCH)), database)


def test_a_run_of_another_job_is_refused(database: ResultsDatabase) -> None:
    run("random", database, Bench(), budget=20)
    with pytest.raises(ValueError, match="already there with another searcher 'random'"):
        run("nsga2", database, Bench(), budget=20)


def test_values_that_are_no_numbers_are_failures(name: str, database: ResultsDatabase) -> None:
    broken = Objective(get_metric("macs"), lambda population: np.full(len(population), np.nan))
    with pytest.raises(TooManyFailures, match=r"commonest reason .*: macs is nan"):
        run_search(plan(name, SearchProblem(SPACE, (broken,)), 20), database)
    assert {(entry.failure, *entry.values) for entry in database.evaluations("run")} == {("macs is nan",)}
    with pytest.raises(TooManyFailures, match=r"all 1 evaluations failed; the commonest reason: macs is nan"):
        run_search(replace(plan(name, SearchProblem(SPACE, (broken,)), 1), record=RunRecord("one", {}, 3)), database)


class Failing(Late):
    """Cannot measure every seventh candidate; counts how often each is measured."""

    def _measure(self, candidate: Candidate) -> Measured:
        measured = super()._measure(candidate)
        return Failure(f"it is {candidate.key}") if int(candidate.key, 16) % 7 == 0 else measured


@pytest.mark.parametrize("name", ["random", "nsga2"])
@pytest.mark.parametrize("dispatch", [Dispatch(BATCH), Dispatch(in_flight=4)])
def test_what_fails_is_stored_left_out_and_never_measured_again(
    name: str, database: ResultsDatabase, dispatch: Dispatch
) -> None:
    def search(budget: int, most_failures: float = 0.5) -> SearchResult:
        asked = plan(name, late.problem(), budget, dispatch=dispatch, most_failures=most_failures)
        return run_search(asked, database)

    with Failing(bench := Bench()) as late:
        search(60)
        found = search(BUDGET)  # goes on
        stored, again = database.evaluations("run"), search(BUDGET)
        assert np.array_equal(again.values, found.values)
        assert set(again.failures) == set(found.failures)
        assert len(bench.priced) == len(set(bench.priced)) == len(stored) == BUDGET
        with pytest.raises(TooManyFailures, match=r"and 1 of 130 may \(most_failures is 0\.01\)"):
            search(BUDGET, most_failures=0.01)
        assert len(bench.priced) == BUDGET  # it knew that
        with pytest.raises(TooManyFailures, match=r"raising search\.most_failures continues this run"):
            search(BUDGET + 20, most_failures=0.01)
        assert len(search(BUDGET + 20).population) > len(found.population)
    failed = {entry.candidate.key: entry.failure for entry in stored if int(entry.candidate.key, 16) % 7 == 0}
    assert len(failed) > 5
    assert {one.key: one.reason for one in found.failures} == failed
    assert all(reason == f"it is {key}" for key, reason in failed.items())
    assert len(same_rows(found, database)) == len(found) == BUDGET - len(failed)
