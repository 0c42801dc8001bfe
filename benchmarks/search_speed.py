"""How long a search takes besides its measurements: ask, tell and store; a round of LINAS; prices of candidates.

In: nothing. Out: rows of the table in `README.md`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence

import numpy as np
from report import row

from hardware.analytic import network_cost
from nas.objectives import AdditiveEvaluator, Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import Dispatch, SearchPlan
from nas.search.searchers.linas import Linas
from nas.search.searchers.nsga2 import NSGA2
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SEEDS = (0, 1, 2, 3, 4)
CANDIDATES, POPULATION = 2000, 100
MEASURED = 200  # before the round of LINAS that is timed
COMMAND = "python benchmarks/search_speed.py"


def objectives(space: JointSpace, names: Sequence[str], exact: bool) -> list[Objective]:
    prices = {name: network_cost(space, name) for name in names}
    return [Objective(METRICS[name], AdditiveEvaluator(prices[name]), exact=exact) for name in names]


def overhead_ms(space: JointSpace, seed: int, batch: int) -> float:
    """Milliseconds a candidate, with a database in a file, less what the objectives take."""
    chosen = objectives(space, ("macs", "weight_bytes"), exact=True)
    with tempfile.TemporaryDirectory() as folder, ResultsDatabase(f"sqlite:///{folder}/results.db") as database:
        problem, record = SearchProblem(space, tuple(chosen)), RunRecord("run", {}, seed)
        plan = SearchPlan(problem, NSGA2(POPULATION), record, CANDIDATES, dispatch=Dispatch(batch))
        start = time.perf_counter()
        run_search(plan, database)
        return 1000 * (time.perf_counter() - start) / CANDIDATES


def round_s(space: JointSpace, seed: int) -> float:
    """Seconds of a round: fits to what was measured, and 20,000 candidates looked at."""
    learnt = Objective(METRICS["accuracy"], lambda _: np.empty(0))
    exact = objectives(space, ("macs",), exact=True)[0]
    made = Linas().create(SearchProblem(space, (learnt, exact)), seed)
    rng = np.random.default_rng(seed)
    told = space.sample(rng, MEASURED)
    accuracy = told.features() @ rng.random(told.features().shape[1])
    made.tell(told, np.column_stack([-accuracy, exact.evaluate(told)]), np.zeros(MEASURED))
    start = time.perf_counter()
    made.ask(10)
    return time.perf_counter() - start


def main() -> None:
    space = JointSpace(create_space("mobilenet_v3_imagenet", 3, 1000), PolicySpace.parse(["w32a32", "w8a8"]))
    overhead_ms(space, 0, POPULATION)  # imports
    for batch in (POPULATION, 20):
        samples = [overhead_ms(space, seed, batch) for seed in SEEDS]
        what = f"Ask, tell and SQLite, `nsga2`, population {POPULATION}, batches of {batch}, a candidate"
        print(row(what + ": under 0.5 ms" * (batch == POPULATION), samples, "{:.2f} ms", "0 to 4", COMMAND))
    round_s(space, 0)
    samples = [round_s(space, seed) for seed in SEEDS]
    what = "A round of LINAS: fit to 200, 20,000 looked at, OFA space with bits: under 1 s"
    print(row(what, samples, "{:.2f} s", "0 to 4", COMMAND))


if __name__ == "__main__":
    main()
