"""Whether any candidate can keep the limits of a search, as far as exact costs tell: said before hours of training."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.allocator import Infeasible, OutOfTime, SolverFailed
from nas.compression.allocation.cost_tables import budget_cost
from nas.compression.allocation.milp import MilpAllocator
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.exact_costs import ExactCosts
from nas.search.integer_program.minimizer import AdditiveMinimizer
from search_spaces.additive_cost import AdditiveCost
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.given import GivenSpace
from search_spaces.joint_space import JointSpace

_SAMPLE = 1000  # candidates among which one that keeps a limit is looked for first: most limits are generous
_TOLERANCE = 1e-6  # relative; that of the solver


def check_limits(costs: ExactCosts, section: SearchSection) -> None:
    """Refuses limits on exact costs that no candidate keeps: each by itself and, of a given network, all together.

    Args:
        costs: The costs; without a latency table, limits on its metrics are passed over.
        section: The search section of the job.

    Raises:
        ValueError: If a limit is below the cost of every candidate; it says the least cost. If no candidate of a given
            network keeps all of them, or the solver found neither one nor a proof; these are different lines. If one is
            a share of what no table of this job will tell, or `ExactCosts.find_limit` refuses it.
    """
    limits = {}
    for name, stated in section.limits.items():
        if name in section.measured:
            continue
        if name in section.table_costs and costs.stored is None:
            _check_share(name, stated, costs.space)
            continue
        limit = costs.find_limit(name, stated)
        limits[name] = limit
        least = _bound_least_cost(costs.space, costs.additive(name), limit)
        if not limit >= least - _TOLERANCE * abs(least):
            raise ValueError(
                f"search.limits.{name} must be {_rounded_up(least)} or more, as no candidate of this job has less, got "
                f"{_say(stated, limit)}; relax it, or take a smaller space"
            )

    if len(limits) > 1 and isinstance(costs.space.architectures, GivenSpace):
        _check_together(costs, tuple(limits.items()))


@lru_cache(maxsize=2)  # the stages of a job check the same limits, and an integer program may take up to a minute
def _check_together(costs: ExactCosts, stated: tuple[tuple[str, float], ...]) -> None:
    """Refuses limits that exclude one another, of a space whose genes are all active; what was kept is remembered."""
    space, limits = costs.space, dict(stated)
    asked = " and ".join(f"search.limits.{name}" for name in limits)
    tables = {name: costs.additive(name) for name in limits}
    sample = space.sample(np.random.default_rng(0), _SAMPLE).genes
    if np.all([cost(sample) <= limits[name] for name, cost in tables.items()], axis=0).any():
        return
    sizes = space.cardinalities.tolist()
    try:
        budgets = tuple(budget_cost(name, cost, sizes, limits[name]) for name, cost in tables.items())
    except ValueError:  # tables of so many genes together that no program has room for them; the search tells
        return
    try:
        MilpAllocator().allocate(AllocationProblem(tuple(map(np.zeros, sizes)), budgets))
    except Infeasible as error:
        missed = " and ".join(f"{name} by {excess:g}" for name, excess in error.excesses.items())
        raise ValueError(f"no candidate of this job keeps {asked}: the nearest exceeds {missed}; relax them") from error
    except (OutOfTime, SolverFailed) as error:
        raise ValueError(f"whether a candidate of this job keeps {asked} was not found: {error}; relax them") from error


def _check_share(name: str, stated: float | str, space: JointSpace) -> None:
    """Refuses a share of a cost of the given network at full precision, where no policy lets a table tell it."""
    if isinstance(stated, str) and LayerPolicy() not in space.policies.all_policies:
        raise ValueError(
            f"search.limits.{name} is {stated}, and latency tables have layers at the policies of the space alone; add "
            "w32a32 to space.policies, or state a number"
        )


def _say(stated: float | str, limit: float) -> str:
    return f"{stated}, {limit:g}" if isinstance(stated, str) else f"{limit:g}"


def _bound_least_cost(space: JointSpace, cost: AdditiveCost, enough: float) -> float:
    """The least cost of all candidates, or a bound below it; or that of one which costs no more than `enough`."""
    sampled = float(cost(space.sample(np.random.default_rng(0), _SAMPLE).genes).min())
    if sampled <= enough or len(space.cardinalities) == 0:
        return sampled
    try:
        return AdditiveMinimizer(space, [cost]).bound_below(0)
    except ValueError:  # several genes together decide whether another one is active
        return float(sum(term.table.min() for term in cost.terms))


def _rounded_up(value: float) -> str:
    """Seven digits, and no less than the value: who copies it has a limit that can be kept."""
    step = 10.0 ** (np.floor(np.log10(value)) - 6) if value > 0 else 1.0
    return f"{np.ceil(value / step - 1e-3) * step:.12g}"
