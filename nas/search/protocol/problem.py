"""What is searched: a space, objectives on it, and the subspace that is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nas.objectives import FloatArray, Objective, clip_to_constraints
from search_spaces.additive_cost import AdditiveCost, Term
from search_spaces.joint_space import JointSpace
from search_spaces.search_space import Genes
from search_spaces.subspace import Subspace


@dataclass(frozen=True)
class SearchProblem:
    """A space and the objectives of a search on it.

    Attributes:
        space: The joint space.
        objectives: One or more; their order is that of the columns of values and of costs.
        leaves: The subspaces that a few-shot supernet serves with weights of their own; empty if it has one set.
        subspace: The part of the space that searchers which support it ask for candidates of; None is all of it.
        damage: For each gene the damage of each of its values alone, shape (values,), by a sensitivity metric: that of
            widths of a given network and of policies of its layers; of a supernet for each policy gene alone. Empty if
            it was not measured.
        measure_damage: Measures the same in the network of one architecture of a supernet, whose genes it is given,
            shape (genes of architectures,); 0 for layers that it lacks. None if that is not known how.
        pairs: The damage that several genes do together beyond the sum of their own: tables over their values, whose
            columns are indices of genes. It may be negative.
        work: What it takes to measure a candidate, above 0, in a unit of its own, as far as that is known beforehand;
            None if it is the same for all.
        budgeted: Whether limits on tabulated costs bound what allocations by the damage may cost, and not only say
            which of them are feasible; searches that were begun before they did go on without.

    Raises:
        ValueError: If there is no objective, all are constraints, two have the same metric, or the damage is not that
            of the genes and their values, or not finite, or that of one gene is below 0.
    """

    space: JointSpace
    objectives: tuple[Objective, ...]
    leaves: tuple[Subspace, ...] = ()
    subspace: Subspace | None = None
    damage: tuple[FloatArray, ...] = ()
    measure_damage: Callable[[Genes], tuple[FloatArray, ...]] | None = None
    pairs: tuple[Term, ...] = ()
    work: AdditiveCost | None = None
    budgeted: bool = True

    def __post_init__(self) -> None:
        names = [objective.metric.name for objective in self.objectives]
        if not self.minimized or len(set(names)) != len(names):
            raise ValueError(f"a search needs one or more objectives of distinct metrics, got {names}")
        shapes = [(len(gene.values),) for gene in self.space.genes]
        policies = shapes[len(self.space.architectures.choices) :]
        if self.damage and [known.shape for known in self.damage] not in (shapes, policies):
            raise ValueError(f"damage needs a value for each value of each of {len(shapes)} genes, got other shapes")
        if not all(np.isfinite(known).all() and (known >= 0).all() for known in self.damage):
            raise ValueError("damage must be finite and 0 or more")
        sizes = dict(enumerate(map(len, self.damage)))
        for term in self.pairs:
            shape = tuple(sizes.get(slot) for slot in term.columns)
            if term.table.shape != shape or not np.isfinite(term.table).all():
                raise ValueError(
                    f"damage of the layers {term.columns} together must be finite, one value for each of their "
                    f"policies, shape {shape}, got shape {term.table.shape}"
                )

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
