"""What is searched: a space, objectives on it, and what else is known before the search.

In: a space and objectives. Out: `SearchProblem`, which a searcher is made for. Knows no searcher.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nas.objectives import FloatArray, Objective, compared
from predictors.predictor import Predictor
from predictors.registry import PREDICTORS
from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace


@dataclass(frozen=True)
class SearchProblem:
    """A space and the objectives of a search on it.

    Attributes:
        space: The joint space.
        objectives: One or more; their order is that of the columns of costs.
        leaves: The parts of the space that a split supernet serves with weights of their own; empty if it is whole.
        part: Where new candidates are looked for; None is everywhere.
        predictor: Makes, of a seed, the unfitted predictor by which searchers learn a cost that is not exact.

    Raises:
        ValueError: If there is no objective that is no mere constraint, or two have the same metric.
    """

    space: JointSpace
    objectives: tuple[Objective, ...]
    leaves: tuple[Subspace, ...] = ()
    part: Subspace | None = None
    predictor: Callable[[int], Predictor] = PREDICTORS["ensemble"]

    def __post_init__(self) -> None:
        names = [objective.metric.name for objective in self.objectives]
        if not self.minimized or len(set(names)) != len(names):
            raise ValueError(f"a search needs one or more objectives of distinct metrics, got {names}")

    @property
    def minimized(self) -> list[int]:
        """Columns of costs that are more than constraints."""
        return [column for column, objective in enumerate(self.objectives) if not objective.constraint]

    def cost_limits(self) -> FloatArray:
        """The largest cost allowed of every objective, shape (m,); infinite where there is no limit."""
        return np.array([objective.cost_limit for objective in self.objectives])

    def compared(self, costs: FloatArray) -> FloatArray:
        """Costs, shape (n, m), as they compare: within a constraint, all are those of its limit."""
        return compared(self.objectives, costs)
