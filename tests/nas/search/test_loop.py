"""The one loop: a run that is killed anywhere goes on as if it never was."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock
from time import sleep

import numpy as np
import pandas as pd
import pytest

from hardware.analytic import network_cost
from nas.objectives import FloatArray, Objective
from nas.search.loop import NothingFeasible, run_search
from nas.search.registry import searcher
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.metric import Metric, get_metric
from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace
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

    def objectives(self, macs: float | None = None, parameters: float | None = None) -> list[Objective]:
        capacity = Metric("capacity", "count", maximize=True)
        return [
            Objective(get_metric("macs"), self.macs, macs),
            Objective(capacity, lambda population: PARAMETERS(population.genes), parameters),
        ]


class Late(ThreadPoolExecutor):
    """Measures candidates one by one, of which some take longer; the values are those of `Bench`."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(3)
        self._bench, self._lock = bench, Lock()

    def __call__(self, population: Population) -> FloatArray:
        raise AssertionError("a concurrent evaluator is given one candidate at a time")

    def submit(self, candidate: Candidate) -> Future[float]:  # type: ignore[override]
        return super().submit(self._measure, candidate)

    def _measure(self, candidate: Candidate) -> float:
        sleep(int(candidate.key, 16) % 5 / 200)
        with self._lock:
            return float(self._bench.macs(SPACE.encode([candidate]))[0])


def record(name: str) -> RunRecord:
    return RunRecord("run", {"searcher": name}, 3)


def run(name: str, database: ResultsDatabase, bench: Bench, **changes: int) -> pd.DataFrame:
    settings = {"budget": BUDGET, "batch": BATCH, "chunk": CHUNK} | changes
    objectives = bench.objectives()
    made = searcher(name, SPACE, objectives, 3)
    return run_search(made, objectives, database, record=record(name), **settings)


@pytest.fixture(params=["random", "nsga2", "linas"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(tmp_path: Path) -> ResultsDatabase:
    return ResultsDatabase(f"sqlite:///{tmp_path}/results.db")


def test_a_run_stores_what_it_returns(name: str, database: ResultsDatabase) -> None:
    bench = Bench()
    known: list[int] = []
    objectives = bench.objectives()
    frame = run_search(
        searcher(name, SPACE, objectives, 3),
        objectives,
        database,
        BUDGET,
        record=record(name),
        source="predicted",
        progress=known.append,
    )
    assert sum(known) == len(frame) == BUDGET
    assert frame["key"].tolist() == bench.priced
    assert frame["key"].is_unique
    assert frame["sequence"].tolist() == list(range(BUDGET))
    assert set(frame["source"]) == {"predicted"}
    population = SPACE.encode([entry.candidate for entry in database.evaluations("run")])
    assert np.array_equal(frame["macs"], MACS(population.genes))
    assert np.array_equal(frame["capacity"], PARAMETERS(population.genes))


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
        objectives = [replace(bench.objectives()[0], evaluate=late), bench.objectives()[1]]
        made = searcher(name, SPACE, objectives, 3)
        return run_search(made, objectives, database, 60, record=record(name), in_flight=in_flight)


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
    told = [entry.tell_order for entry in database.evaluations("run")]
    assert sorted(told) == list(range(60))
    assert told != sorted(told)  # else this tests nothing
    pd.testing.assert_frame_equal(run_as_they_come(name, database, untouched := Bench()), frame)
    assert untouched.priced == []


def test_what_is_known_counts_as_found(name: str, database: ResultsDatabase) -> None:
    bench = Bench()
    everything = SPACE.sample(np.random.default_rng(0), 30)
    known = np.column_stack([MACS(everything.genes), PARAMETERS(everything.genes)])
    objectives = bench.objectives(macs=float(known[:, 0].min()) * 0.999)
    made = searcher(name, SPACE, objectives, 3)
    feasible = known * [0.5, 1.0]  # pretends that they keep the limit, which nothing that is evaluated does
    frame = run_search(made, objectives, database, 4, record=record(name), known=(everything, feasible), batch=4)
    assert len(frame) == 4


def test_a_space_of_which_all_is_known_is_not_searched(name: str, database: ResultsDatabase) -> None:
    space = JointSpace(RestrictedSpace(create_space("resnet_digits", 1, 10), SMALL))
    everything = space.population(np.indices(tuple(space.cardinalities)).reshape(len(space.cardinalities), -1).T)
    objectives = [Objective(get_metric("macs"), lambda _: np.empty(0))]
    known = everything.unique(), network_cost(space, "macs")(everything.unique().genes)[:, None]
    made = searcher(name, space, objectives, 0)
    assert run_search(made, objectives, database, 5, record=record(name), known=known).empty


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
        objectives = [replace(bench.objectives()[0], evaluate=late), bench.objectives()[1]]
        made = searcher(name, SPACE, objectives, 3)
        frame = run_search(made, objectives, other, 60, record=record(name), batch=30)
        assert bench.priced != frame["key"].tolist()
        pd.testing.assert_frame_equal(frame, undisturbed)


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
    objectives = [Objective(get_metric("macs"), lambda population: cost(population.genes))]
    frame = run_search(searcher(name, small, objectives, 0), objectives, database, 10_000, record=record(name))
    assert len(frame) == frame["key"].nunique() == 288


def test_nothing_feasible_names_the_limits_and_the_nearest(name: str, database: ResultsDatabase) -> None:
    bench = Bench()
    objectives = bench.objectives(macs=1000.0, parameters=1e9)
    made = searcher(name, SPACE, objectives, 3)
    with pytest.raises(NothingFeasible, match=r"macs <= 1000 and capacity >= 1e\+09.*nearest of 150") as caught:
        run_search(made, objectives, database, 150, record=record(name), batch=50)
    stored = database.frame(run="run")
    assert len(stored) == len(bench.priced) == 150
    misses = (stored["macs"] / 1000 - 1).clip(lower=0) + (1 - stored["capacity"] / 1e9).clip(lower=0)
    nearest = stored.loc[misses.idxmin()]
    assert f"macs {nearest['macs']:.4g}, capacity {nearest['capacity']:.4g}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_feasible_candidate_is_enough(name: str, database: ResultsDatabase) -> None:
    free = run(name, database, Bench(), budget=BATCH)  # a first batch is asked before anything is told
    objectives = Bench().objectives(macs=float(free["macs"].min()))
    limited = replace(record(name), run="limited")
    frame = run_search(searcher(name, SPACE, objectives, 3), objectives, database, BATCH, record=limited, batch=BATCH)
    assert frame["key"].tolist() == free["key"].tolist()


def test_a_run_of_other_candidates_is_refused_and_kept(name: str, database: ResultsDatabase) -> None:
    before = run(name, database, Bench(), budget=50)
    other = searcher(name, SPACE, Bench().objectives(), 4)
    with pytest.raises(ValueError, match=r"holds another candidate at number \d+.* start it under a new name"):
        run_search(other, Bench().objectives(), database, 60, record=record(name))
    pd.testing.assert_frame_equal(database.frame(run="run"), before)


def test_values_of_another_kind_are_not_taken_for_these(name: str, database: ResultsDatabase) -> None:
    run(name, database, Bench(), budget=20)
    objectives = Bench().objectives()
    made = searcher(name, SPACE, objectives, 3)
    with pytest.raises(ValueError, match="holds measured values of macs, capacity, not predicted ones"):
        run_search(made, objectives, database, 30, record=record(name), source="predicted")
    renamed = [replace(objectives[0], metric=get_metric("bops")), objectives[1]]
    with pytest.raises(ValueError, match="holds measured values of macs, capacity, not measured ones of bops"):
        run_search(searcher(name, SPACE, renamed, 3), renamed, database, 30, record=record(name), batch=BATCH)


@pytest.mark.parametrize("budget", [0, -1])
def test_a_search_needs_a_budget(database: ResultsDatabase, budget: int) -> None:
    with pytest.raises(ValueError, match=f"budget of 1 or more evaluations, got {budget}"):
        run("random", database, Bench(), budget=budget)


def test_a_run_of_another_job_is_refused(database: ResultsDatabase) -> None:
    run("random", database, Bench(), budget=20)
    with pytest.raises(ValueError, match="already there with another searcher 'random'"):
        run("nsga2", database, Bench(), budget=20)


def test_values_that_are_no_numbers_are_refused_before_they_are_stored(name: str, database: ResultsDatabase) -> None:
    broken = Objective(get_metric("macs"), lambda population: np.full(len(population), np.nan))
    with pytest.raises(ValueError, match="finite"):
        run_search(searcher(name, SPACE, [broken], 0), [broken], database, 20, record=record(name))
    assert database.evaluations("run") == []
