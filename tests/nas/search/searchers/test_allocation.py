from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np
import pytest

from hardware.analytic import network_cost
from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.allocator import OutOfTime, SolverFailed
from nas.compression.allocation.cost_tables import budget_cost
from nas.compression.allocation.frontier import Frontier
from nas.compression.allocation.milp import MilpAllocator
from nas.objectives import AdditiveEvaluator, FloatArray, Objective, compute_costs, compute_violations
from nas.search.front import find_front
from nas.search.protocol.problem import SearchProblem
from nas.search.registry import create_searcher
from nas.search.searchers.allocation import Allocation, AllocationSearcher
from nas.search.surrogate.allocated_design import allocate_design
from nas.search.surrogate.weighted_costs import WeightedCosts
from results.metric import METRICS
from results.pareto import hypervolume
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.given import GivenSpace, StoredTensor
from search_spaces.joint_space import JointSpace
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.weighted import Convolution
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space


class Chain:
    """A chain of layers whose damage adds up, in another unit than the cost and with an error for each entry."""

    def __init__(self, space: JointSpace, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.space = space
        self.damage = tuple(
            np.sort(rng.lognormal(sigma=1.5, size=len(policies))) * (np.arange(len(policies)) > 0)
            for policies in space.slot_policies
        )
        self.truth = tuple(table * rng.lognormal(sigma=0.4, size=len(table)) for table in self.damage)

    def cost(self, population: Population) -> FloatArray:
        sums = np.sum([table[population.genes[:, slot]] for slot, table in enumerate(self.truth)], axis=0)
        return np.asarray(100.0 - np.minimum(3.0 * np.sqrt(sums) + 0.5 * sums, 90.0))

    def problem(self, limit: float | None = None) -> SearchProblem:
        size = AdditiveEvaluator(network_cost(self.space, "weight_bytes"))
        objectives = (
            Objective(METRICS["accuracy"], self.cost),
            Objective(METRICS["weight_bytes"], size, limit, exact=True),
        )
        return SearchProblem(self.space, objectives, damage=self.damage)

    def tell(self, searcher: AllocationSearcher, population: Population, problem: SearchProblem) -> FloatArray:
        values = np.column_stack([objective.evaluate(population) for objective in problem.objectives])
        searcher.tell(
            population, compute_costs(problem.objectives, values), compute_violations(problem.objectives, values)
        )
        return values


@pytest.fixture(scope="module")
def chain() -> Chain:
    """Eight convolutions of different sizes, with five policies each."""
    widths = [3, 8, 8, 16, 16, 32, 32, 16, 8]
    nodes = [
        Node(f"c{number}", Convolution.square(before, after), (f"c{number - 1}" if number else "x",), (f"w{number}",))
        for number, (before, after) in enumerate(pairwise(widths))
    ]
    graph = NetworkGraph((("x", (3, 8, 8)),), tuple(nodes), ("c7",))
    stored = {name: StoredTensor(4 * prod(shape), prod(shape)) for name, shape in graph.parameter_shapes.items()}
    policies = PolicySpace.parse(["w32a32", "w8a8", "w5a8", "w3a8", "w2a8"])
    return Chain(JointSpace(GivenSpace("chain", graph, stored), policies), 0)


def test_gain_is_weighed_against_work(chain: Chain) -> None:
    """Candidates of little work are chosen, and the same each time."""
    heavy = chain.space.tabulate(
        lambda layer, policy: layer.operator.weights * (9.0 if policy == LayerPolicy() else 1.0)
    )
    problem, found = chain.problem(), {}
    for name, work in (("all alike", None), ("by work", heavy), ("again", heavy)):
        searcher = Allocation(initial_design=8).create(replace(problem, work=work), 0)
        asked = []
        for _ in range(10):
            population = searcher.ask(4)
            chain.tell(searcher, population, problem)
            asked.append(population.genes)
        found[name] = np.concatenate(asked)
    closed_loop = {name: float(heavy(genes[16:]).sum()) for name, genes in found.items()}
    assert (found["by work"] == found["again"]).all()
    assert closed_loop["by work"] < closed_loop["all alike"]
    assert (found["by work"][:12] == found["all alike"][:12]).all()  # the first design does not depend on it


def run(chain: Chain, seed: int, sizes: list[int], limit: float | None = None) -> tuple[FloatArray, FloatArray]:
    """Genes and values of what a searcher asks for and is told, round after round."""
    problem = chain.problem(limit)
    searcher = Allocation(initial_design=8).create(problem, seed)
    genes, values = [], []
    for size in sizes:
        population = searcher.ask(size)
        genes.append(population.genes)
        values.append(chain.tell(searcher, population, problem))
    return np.concatenate(genes), np.concatenate(values)


def volume(values: FloatArray) -> float:
    costs = np.column_stack([-values[:, 0], values[:, 1] / 1000.0])
    return hypervolume(costs, [0.0, 200.0])


def test_it_keeps_the_contract_of_searchers(chain: Chain) -> None:
    (first, _), (again, _), (other, _) = (run(chain, seed, [13, 6, 1, 6]) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first, axis=0)) == len(first) == 26


def test_uniform_policies_come_first(chain: Chain) -> None:
    genes, _ = run(chain, 0, [5])
    assert sorted(map(tuple, genes)) == [(policy,) * 8 for policy in range(5)]


@pytest.mark.parametrize("limit", [None, 30_000.0])
def test_no_point_of_the_front_is_worse_than_a_uniform_policy_of_its_size_or_smaller(
    chain: Chain, limit: float | None
) -> None:
    """Though the table says that mixed policies are better, which are all worse."""

    class Deceptive(Chain):
        def cost(self, population: Population) -> FloatArray:
            return super().cost(population) - 30.0 * (np.ptp(population.genes, axis=1) > 0)

    deceptive = Deceptive(chain.space, 0)
    objectives = deceptive.problem(limit).objectives
    genes, values = run(deceptive, 0, [13, 10, 10], limit)
    front, _ = find_front(chain.space.population(genes), objectives, values)
    uniform = chain.space.population(np.repeat(np.arange(5)[:, None], 8, axis=1))
    known = np.column_stack([objective.evaluate(uniform) for objective in objectives])
    for accuracy, size in front.values:
        assert accuracy >= known[known[:, 1] <= size, 0].max(initial=0.0)


def test_it_looks_ahead_once_uniform_policies_are_told(chain: Chain) -> None:
    problem = chain.problem()
    searcher, known = Allocation().create(problem, 0), []
    for _ in range(5):
        known.append(searcher.forecast(1))
        chain.tell(searcher, searcher.ask(1), problem)
    assert known == [None] * 5
    assert searcher.forecast(1) is not None


def test_failures_are_not_asked_for_again_and_stop_nothing(chain: Chain) -> None:
    problem = chain.problem()
    searcher = Allocation().create(problem, 0)
    lost = searcher.ask(30)
    searcher.tell_failures(lost)
    assert searcher.forecast(5) is None
    found = searcher.ask(10)
    chain.tell(searcher, found, problem)
    both = np.concatenate([lost.genes, found.genes, searcher.ask(10).genes])
    assert len(np.unique(both, axis=0)) == len(both) == 50


def test_a_small_space_is_exhausted(chain: Chain) -> None:
    few = JointSpace(chain.space.architectures, PolicySpace.parse(["w32a32", "w2a8"]))
    small = Chain(few, 1)
    genes, _ = run(small, 0, [100, 100, 100])
    assert len(np.unique(genes, axis=0)) == len(genes) == 2**8


def test_measured_outcomes_correct_a_wrong_table(chain: Chain) -> None:
    """At equal numbers of measurements the corrected front is above that of the table, and of random candidates."""
    gains = []
    for seed in range(3):
        _, corrected = run(chain, seed, [13] + [6] * 8)
        table = Frontier.from_problem(AllocationProblem(chain.damage, (size_budget(chain),)))
        genes = chain.space.population(table.read_off(np.linspace(table.costs[0], table.costs[-1], len(corrected))))
        objectives = chain.problem().objectives
        alone, drawn = (
            np.column_stack([objective.evaluate(some) for objective in objectives])
            for some in (genes, chain.space.sample(np.random.default_rng(seed), len(corrected)))
        )
        gains.append(volume(corrected) / max(volume(alone), volume(drawn)))
    assert min(gains) > 1.0


def size_budget(chain: Chain) -> Budget:
    cost = network_cost(chain.space, "weight_bytes")
    return budget_cost("weight_bytes", cost, chain.space.cardinalities.tolist(), 1e9)


def test_limits_are_kept_once_the_design_is_told(chain: Chain) -> None:
    limit = 30_000.0
    _, values = run(chain, 0, [13, 10, 10], limit)
    assert (values[13:, 1] <= limit).mean() > 0.9


def test_its_outlook_changes_nothing_that_is_asked(chain: Chain) -> None:
    problem, asked = chain.problem(), []
    for watched in (True, False):
        searcher = Allocation().create(problem, 0)
        chain.tell(searcher, searcher.ask(25), problem)
        if watched:
            outlook = searcher.forecast(10)
            assert outlook is not None
            assert 0 <= outlook.low <= outlook.gain <= outlook.high
        asked.append(searcher.ask(10).genes)
    assert np.array_equal(asked[0], asked[1])


def test_it_says_when_the_front_has_stopped_moving(chain: Chain) -> None:
    problem, known = chain.problem(), np.empty((0, 2))
    searcher = Allocation().create(problem, 0)
    while (outlook := searcher.forecast(10)) is None or outlook.high >= 0.005:
        known = np.concatenate([known, chain.tell(searcher, searcher.ask(10), problem)])
        assert len(known) <= 300
    more = [chain.tell(searcher, searcher.ask(10), problem) for _ in range(-(-outlook.evaluations // 10))]
    assert volume(np.concatenate([known, *more])) < 1.005 * volume(known)


@pytest.mark.parametrize("change", ["no damage", "nothing measured", "nothing tabulated", "architectures"])
def test_problems_of_another_kind_are_refused(chain: Chain, change: str) -> None:
    problem = chain.problem()
    accuracy, size = problem.objectives
    macs = Objective(METRICS["macs"], AdditiveEvaluator(network_cost(chain.space, "macs")))
    changed = {
        "no damage": replace(problem, damage=()),
        "nothing measured": replace(problem, objectives=(macs, size)),
        "nothing tabulated": replace(problem, objectives=(accuracy, Objective(METRICS["latency_ms"], chain.cost))),
        "architectures": SearchProblem(JointSpace(create_space("resnet_digits", 1, 10)), problem.objectives),
    }[change]
    with pytest.raises(ValueError, match="searcher 'allocation'"):
        create_searcher("allocation", changed, 0)


def test_it_is_told_no_nan(chain: Chain) -> None:
    searcher = Allocation().create(chain.problem(), 0)
    with pytest.raises(ValueError, match="finite costs and violations of 0 or more"):
        searcher.tell(searcher.ask(1), np.array([[np.nan, 1.0]]), np.zeros(1))


def test_damage_is_checked(chain: Chain) -> None:
    problem = chain.problem()
    for wrong in (problem.damage[1:], (-problem.damage[0], *problem.damage[1:]), (np.full(5, np.nan),) * 8):
        with pytest.raises(ValueError, match="damage"):
            replace(problem, damage=wrong)


@pytest.mark.parametrize("floor", [95.0, 85.0])
def test_above_a_floor_the_frontier_is_bisected_first(chain: Chain, floor: float) -> None:
    """In about log2 of its points, one by one; what is found is then improved by what is measured after."""
    accuracy, size = chain.problem().objectives
    problem = replace(chain.problem(), objectives=(size, replace(accuracy, limit=floor, constraint=True)))
    searcher = Allocation().create(problem, 0)
    values, bisected = np.empty((0, 2)), 0
    while searcher.batch == 1:
        values = np.concatenate([values, chain.tell(searcher, searcher.ask(1), problem)])
        bisected += 1
    assert 5 <= bisected <= 7
    frontier = Frontier.from_problem(AllocationProblem(chain.damage, (size_budget(chain),)))
    steps = chain.space.population(frontier.read_off(np.linspace(frontier.costs[0], frontier.costs[-1], 128)))
    kept = chain.cost(steps) >= floor
    found = values[values[:, 1] >= floor, 0].min()
    assert found <= size.evaluate(steps)[kept].min()
    uniform = searcher.ask(5)
    assert sorted(map(tuple, uniform.genes)) == [(policy,) * 8 for policy in range(5)]
    values = np.concatenate([values, chain.tell(searcher, uniform, problem)])
    for _ in range(5):
        values = np.concatenate([values, chain.tell(searcher, searcher.ask(5), problem)])
    best = values[values[:, 1] >= floor, 0].min()
    truth = Frontier.from_problem(AllocationProblem(chain.truth, (size_budget(chain),)))
    possible = truth.costs[100.0 - np.minimum(3.0 * np.sqrt(truth.damages) + 0.5 * truth.damages, 90.0) >= floor].min()
    assert possible <= best < found


def test_a_bisection_waits_for_no_failure_and_asks_for_nothing_twice(chain: Chain) -> None:
    accuracy, size = chain.problem().objectives
    problem = replace(chain.problem(), objectives=(size, replace(accuracy, limit=90.0, constraint=True)))
    searcher, again = (Allocation().create(problem, 0) for _ in range(2))
    asked = []
    for number in range(12):
        population = searcher.ask(3)
        assert (again.ask(3).genes == population.genes).all()
        for one in (searcher, again):
            if number % 3 == 1:
                one.tell_failures(population)
            else:
                chain.tell(one, population, problem)
        asked.append(population.genes)
    assert searcher.batch == 10
    assert len(np.unique(np.concatenate(asked), axis=0)) == 36


@pytest.mark.parametrize("fault", [OutOfTime("in 1000 nodes"), SolverFailed("numerical trouble")])
def test_allocations_that_no_program_tells_are_left_out_and_told(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Damage was measured before, so that the search goes on without them."""
    accuracy, size = chain.problem().objectives
    bops = Objective(METRICS["bops"], AdditiveEvaluator(network_cost(chain.space, "bops")), 6e6, exact=True)
    problem = replace(chain.problem(), objectives=(accuracy, size, replace(bops, constraint=True)))
    solve, solved = MilpAllocator.solve, list[AllocationProblem]()

    def fail_once(allocator: MilpAllocator, program: AllocationProblem) -> tuple[int, ...]:
        solved.append(program)
        if len(solved) == 5:
            raise fault
        return solve(allocator, program)

    monkeypatch.setattr(MilpAllocator, "solve", fail_once)
    searcher = Allocation().create(problem, 0)
    assert searcher.notes == ("left out, as no program ended with one: 1 allocations within the limits on bops",)
    assert len(chain.tell(searcher, searcher.ask(12), problem)) == 12
    assert not Allocation().create(chain.problem(), 0).notes


def test_limits_are_budgets_of_allocations(chain: Chain) -> None:
    """One limited cost is swept up to its limit, several are programmed; without budgets, allocations exceed them."""
    accuracy, size = chain.problem().objectives
    bops = Objective(METRICS["bops"], AdditiveEvaluator(network_cost(chain.space, "bops")), exact=True)
    lesser = replace(size, limit=1900.0), replace(bops, limit=6e6)  # between those of w5a8 and w3a8 in all layers
    constraint = replace(lesser[1], constraint=True)
    for objectives in ((accuracy, lesser[0]), (accuracy, *lesser), (accuracy, size, constraint)):
        problem, columns = replace(chain.problem(), objectives=objectives), [*range(1, len(objectives))]
        within = []
        for budgeted in (True, False):
            design = allocate_design(problem, WeightedCosts(problem, columns, budgeted), 20)
            allocated = design.take(slice(5, None))  # after the uniform ones
            values = np.column_stack([one.evaluate(allocated) for one in objectives[1:]])
            within.append((values <= problem.cost_limits[1:]).all(axis=1))
        assert within[0].all()
        assert len(within[0]) > 2 * within[1].sum()
