"""What is searched: a space, objectives on it, and the subspace that is open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.objectives import FloatArray, Objective, clip_to_constraints
from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace


@dataclass(frozen=True)
class SearchProblem:
    """A space and the objectives of a search on it.

    Attributes:
        space: The joint space.
        objectives: One or more; their order is that of the columns of values and of costs.
        leaves: The subspaces that a few-shot supernet serves with weights of their own; empty if it has one set.
        subspace: The part of the space that searchers which support it ask for candidates of; None is all of it.

    Raises:
        ValueError: If there is no objective, all are constraints, or two have the same metric.
    """

    space: JointSpace
    objectives: tuple[Objective, ...]
    leaves: tuple[Subspace, ...] = ()
    subspace: Subspace | None = None

    def __post_init__(self) -> None:
        names = [objective.metric.name for objective in self.objectives]
        if not self.minimized or len(set(names)) != len(names):
            raise ValueError(f"a search needs one or more objectives of distinct metrics, got {names}")

    @property
    def minimized(self) -> list[int]:
        """Indices of the objectives that are minimised, not only limited."""
        return [column for column, objective in enumerate(self.objectives) if not objective.constraint]

    @property
    def cost_limits(self) -> FloatArray:
        """The largest cost that each objective may have, shape (m,); infinite where it has no limit."""
        return np.array([objective.cost_limit for objective in self.objectives])

    def clip_to_constraints(self, costs: FloatArray) -> FloatArray:
        """Clips the costs of constraints at their limits, so that feasible candidates tie on them; shape (n, m)."""
        return clip_to_constraints(self.objectives, costs)
