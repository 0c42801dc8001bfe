"""How long a search takes besides its measurements: ask, tell and store; replay; a round of LINAS; the database.

In: nothing. Out: rows of the table in `README.md`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence

import numpy as np
from report import row

from hardware.analytic import network_cost
from nas.evaluation.local_pools import InProcess
from nas.evaluation.pool import Measure
from nas.objectives import AdditiveEvaluator, MeasuredEvaluator, Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import Dispatch, SearchPlan
from nas.search.searchers.linas import Linas
from nas.search.searchers.nsga2 import NSGA2
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.metric import METRICS
from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SEEDS = (0, 1, 2, 3, 4)
CANDIDATES, POPULATION = 2000, 100
MEASURED = 200  # before the round of LINAS that is timed
OPENINGS = 11  # of a database, of which the median counts
COMMAND = "python benchmarks/search_speed.py"


def objectives(space: JointSpace, names: Sequence[str], exact: bool) -> list[Objective]:
    prices = {name: network_cost(space, name) for name in names}
    return [Objective(METRICS[name], AdditiveEvaluator(prices[name]), exact=exact) for name in names]


def search(plan: SearchPlan, url: str) -> float:
    """Milliseconds that the search takes for a candidate, its database included."""
    with ResultsDatabase(url) as database:
        start = time.perf_counter()
        run_search(plan, database)
        return 1000 * (time.perf_counter() - start) / plan.budget


def overhead_ms(space: JointSpace, seed: int, batch: int) -> tuple[float, float]:
    """Milliseconds a candidate of a search whose objectives are looked up, and of its replay from the database."""
    problem = SearchProblem(space, tuple(objectives(space, ("macs", "weight_bytes"), exact=True)))
    plan = SearchPlan(problem, NSGA2(POPULATION), RunRecord("run", {}, seed), CANDIDATES, dispatch=Dispatch(batch))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/results.db"
        return search(plan, url), search(plan, url)


def instant_measurement() -> Measure:
    """A measurement that takes no time."""

    def measure(candidate: Candidate, _fidelity: float) -> dict[str, float]:
        return {"accuracy": float(candidate.architecture.resolution)}

    return measure


def measured_ms(space: JointSpace, seed: int) -> float:
    """Milliseconds a candidate of a search that measures one by one, besides the measurement."""
    accuracy = MeasuredEvaluator(InProcess().measuring(instant_measurement), "accuracy")
    exact = objectives(space, ("macs",), exact=True)
    problem = SearchProblem(space, (Objective(METRICS["accuracy"], accuracy), *exact))
    plan = SearchPlan(problem, NSGA2(POPULATION), RunRecord("run", {}, seed), CANDIDATES, dispatch=Dispatch(POPULATION))
    with tempfile.TemporaryDirectory() as folder:
        return search(plan, f"sqlite:///{folder}/results.db")


def decoded_us(space: JointSpace, seed: int) -> float:
    """Microseconds to decode a candidate and to take its key."""
    population = space.sample(np.random.default_rng(seed), CANDIDATES)
    start = time.perf_counter()
    for candidate in population.candidates:
        _ = candidate.key
    return 1e6 * (time.perf_counter() - start) / CANDIDATES


def opened_ms() -> tuple[float, float]:
    """Milliseconds to make a database, and to open it again, the least of several: what disturbs only adds."""

    def opened(folder: str, number: int) -> float:
        start = time.perf_counter()
        ResultsDatabase(f"sqlite:///{folder}/{number}.db").close()
        return 1000 * (time.perf_counter() - start)

    with tempfile.TemporaryDirectory() as folder:
        turns = [[opened(folder, number) for number in range(OPENINGS)] for _ in range(2)]
    return min(turns[0]), min(turns[1])


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

    def say(what: str, samples: Sequence[float], form: str) -> None:
        print(row(what, samples, form, "0 to 4", COMMAND), flush=True)

    for batch in (POPULATION, 20):
        searched, replayed = zip(*[overhead_ms(space, seed, batch) for seed in SEEDS], strict=True)
        setting = f"`nsga2`, population {POPULATION}, batches of {batch}, a candidate"
        say(f"Ask, tell and SQLite, {setting}" + ": under 0.5 ms" * (batch == POPULATION), searched, "{:.3f} ms")
        if batch == POPULATION:
            say(f"Replay from SQLite, {setting}", replayed, "{:.3f} ms")
    what = f"Ask, tell and SQLite with an instant measurement, `nsga2`, batches of {POPULATION}, a candidate"
    say(what, [measured_ms(space, seed) for seed in SEEDS], "{:.3f} ms")
    say("Decoding and key, OFA space with bits, a candidate", [decoded_us(space, seed) for seed in SEEDS], "{:.1f} µs")
    made, opened = zip(*[opened_ms() for _ in SEEDS], strict=True)
    say("Making a database, SQLite", made, "{:.2f} ms")
    say("Opening a database, SQLite", opened, "{:.2f} ms")
    round_s(space, 0)
    what = "A round of LINAS: fit to 200, 20,000 looked at, OFA space with bits: under 1 s"
    say(what, [round_s(space, seed) for seed in SEEDS], "{:.3f} s")


if __name__ == "__main__":
    main()
