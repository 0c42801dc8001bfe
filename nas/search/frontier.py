"""The exact frontier of an additive surrogate: integer programs over the one-hot code of genes.

In: costs and violations. Out: the candidates that are best under a linear model of every cost, for many bounds on the
others. Knows genes only.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from nas.objectives import FloatArray
from nas.search.archive import Archive
from nas.search.first_design import FIRST_DESIGN, first_design
from nas.search.problem import SearchProblem
from nas.search.searcher import Searcher, UnseenCandidates
from predictors.ridge import RidgePredictor
from search_spaces.joint_space import JointSpace, Population
from search_spaces.space import Genes

_TIME_S = 2.0  # for one program
_EXACT_SAMPLE = 2000  # candidates by which an exact cost is made additive
_CUTS = 3  # programs for one candidate, each of which leaves out what is known


class AdditiveFrontier:
    """Minimises one linear cost of genes under bounds on others, exactly.

    Args:
        space: The joint space.

    Raises:
        ValueError: If it depends on several genes at once whether one matters.
    """

    def __init__(self, space: JointSpace) -> None:
        self.space = space
        self._starts = np.cumsum(space.cardinalities) - space.cardinalities
        self._width = int(space.cardinalities.sum())
        rows, right = [], []
        for gene in range(len(space.cardinalities)):
            row, one = self._one_value(gene)
            rows.append(row)
            right.append(one)
        self._structure = LinearConstraint(csr_array(np.array(rows)), right, right)

    def best(self, slope: FloatArray, bounds: list[tuple[FloatArray, float]], known: list[Genes]) -> Genes | None:
        """Genes, shape (d,), of least `slope` x features within all bounds; None if there are none.

        Args:
            slope: Cost of every feature of `Population.one_hot`, shape (f,).
            bounds: Slopes of other costs, and the most that each may be.
            known: Canonical genes that are left out.
        """
        constraints = [self._structure, *(LinearConstraint(row[None], -np.inf, most) for row, most in bounds)]
        for genes in known:
            code = Population(self.space, genes[None]).one_hot()[0]
            constraints.append(LinearConstraint((2 * code - 1)[None], -np.inf, code.sum() - 1))
        options = {"time_limit": _TIME_S}
        binary = {"integrality": np.ones(self._width), "bounds": Bounds(0, 1)}
        found = milp(slope, constraints=constraints, options=options, **binary)
        if found.x is None:
            return None
        chosen = [
            int(found.x[start : start + size].argmax())
            for start, size in zip(self._starts, self.space.cardinalities, strict=True)
        ]
        return self.space.population([chosen]).genes[0]

    def _one_value(self, gene: int) -> tuple[FloatArray, float]:
        """That a gene which matters has one value, and another has none, as a row and its right side."""
        row = np.zeros(self._width)
        row[self._columns(gene)] = 1.0
        condition = self.space.condition(gene)
        if condition is None:
            return row, 1.0
        parent, wanted = condition
        row[self._columns(parent)] -= wanted
        return row, 0.0

    def _columns(self, gene: int) -> slice:
        return slice(int(self._starts[gene]), int(self._starts[gene] + self.space.cardinalities[gene]))


class FrontierSearcher(Searcher):
    """Asks for the optima of linear models of the costs, each under other bounds; refitted after every batch.

    Args:
        problem: The problem.
        seed: Seeds the first design and the bounds.
        initial: Candidates of the first design, before the first fit.
    """

    batch = 10

    def __init__(self, problem: SearchProblem, seed: int, initial: int = FIRST_DESIGN) -> None:
        self.space = problem.space
        self._problem, self._initial = problem, initial
        self._rng = np.random.default_rng(seed)
        self._unseen = UnseenCandidates(self.space, self._rng, design=first_design(self.space, initial, seed))
        self._frontier = AdditiveFrontier(self.space)
        self._told = Archive(problem)

    def ask(self, n: int) -> Population:
        """The next `n` candidates: those of the first design, then optima; random ones where no optimum is new."""
        found = self._unseen.designed(n)
        if len(found) < n and len(self._told) >= self._initial:
            slopes, offsets = self._models()
            optima = [self._optimum(slopes, offsets) for _ in range(n - len(found))]
            found = np.concatenate([found, *(genes[None] for genes in optima if genes is not None)])
        return Population(self.space, np.concatenate([found, self._unseen.sample(n - len(found))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Keeps the outcome for the next fit."""
        self._unseen.admit(population.genes)
        self._told.add(population, costs, violations)

    def _models(self) -> tuple[FloatArray, FloatArray]:
        """Slopes, shape (m, f), and offsets, shape (m,), of linear models of the costs."""
        slopes, offsets = [], []
        for objective, costs in zip(self._problem.objectives, self._told.costs.T, strict=True):
            model, population = RidgePredictor(), self._told.population
            if objective.exact:
                population = self.space.sample(self._rng, _EXACT_SAMPLE)
                costs = objective.metric.costs(objective.evaluate(population))
            model.fit(population.one_hot(), costs)
            slopes.append(model.linear.slope)
            offsets.append(model.linear.offset)
        return np.array(slopes), np.array(offsets)

    def _optimum(self, slopes: FloatArray, offsets: FloatArray) -> Genes | None:
        """The best candidate of a cost, within random bounds on the others that told candidates keep; None if known."""
        main = int(self._rng.choice(self._problem.minimized))
        levels = np.minimum(self._told.costs[self._rng.integers(len(self._told))], self._problem.cost_limits())
        others = [other for other in range(len(slopes)) if other != main]
        bounds = [(slopes[other], float(levels[other] - offsets[other])) for other in others]
        known: list[Genes] = []
        for _ in range(_CUTS):
            genes = self._frontier.best(slopes[main], bounds, known)
            if genes is None:
                return None
            if len(self._unseen.admit(genes[None])):
                return genes
            known.append(genes)
        return None
