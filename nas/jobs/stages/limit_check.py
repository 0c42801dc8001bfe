"""Whether any candidate can keep the limits of a search, as far as exact costs tell: said before hours of training."""

from __future__ import annotations

import numpy as np

from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.exact_costs import ExactCosts
from nas.search.integer_program.minimizer import AdditiveMinimizer
from search_spaces.additive_cost import AdditiveCost
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace

_SAMPLE = 1000  # candidates among which one that keeps a limit is looked for first: most limits are generous
_TOLERANCE = 1e-6  # relative; that of the solver


def check_limits(costs: ExactCosts, section: SearchSection) -> None:
    """Refuses limits on exact costs that no candidate keeps; each is looked at by itself.

    Args:
        costs: The costs; without a latency table, limits on its metrics are passed over.
        section: The search section of the job.

    Raises:
        ValueError: If a limit is below the cost of every candidate; it says the least cost. If one is a share of what
            no table of this job will tell, or `ExactCosts.find_limit` refuses it.
    """
    for name, stated in section.limits.items():
        if name in section.measured:
            continue
        if name in section.table_costs and costs.stored is None:
            _check_share(name, stated, costs.space)
            continue
        limit = costs.find_limit(name, stated)
        least = _bound_least_cost(costs.space, costs.additive(name), limit)
        if not limit >= least - _TOLERANCE * abs(least):
            raise ValueError(
                f"search.limits.{name} must be {_rounded_up(least)} or more, as no candidate of this job has less, got "
                f"{_say(stated, limit)}; relax it, or take a smaller space"
            )


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
