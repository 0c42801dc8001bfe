"""LINAS in two steps: many candidates are evaluated at a low fidelity, and the most promising of them in full.

Sources: LINAS as in `nas.search.searchers.linas`. Costs at the low fidelity are features of the predictors of the full
costs, as in the recursive scheme of Le Gratiet and Garnier, "Recursive co-kriging model for design of computer
experiments with multiple levels of fidelity", 2014.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nas.objectives import FloatArray, Objective
from nas.search.protocol.first_design import FIRST_DESIGN, create_first_design, list_obvious_candidates
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod, check_count
from nas.search.protocol.searcher import Searcher
from nas.search.protocol.unseen import UnseenCandidates
from nas.search.surrogate.archive import Archive
from nas.search.surrogate.inner_evolution import find_promising
from nas.search.surrogate.low_fidelity_model import LowFidelityModel
from nas.search.surrogate.ranking import choose_first_fronts
from nas.search.surrogate.surrogate import Learner, Surrogate, extract_search_features
from predictors.registry import DEFAULT_PREDICTOR, PREDICTORS
from results.evaluation import FULL_FIDELITY
from search_spaces.population import Population
from search_spaces.search_space import Genes

_WEIGHT = 5.0  # scale of a low-fidelity cost as a feature: it says more than the value of a gene
_FEWEST_FULL = 8  # full evaluations that are needed before full costs are predicted
_KAPPA = 1.0  # standard deviations that the lower confidence bound lies below the mean
_INNER_EVALUATIONS = 20_000  # candidates whose costs are predicted to choose those for the low fidelity


@dataclass(frozen=True)
class MultiFidelity(SearchMethod):
    """LINAS in two steps, for any number of objectives.

    Attributes:
        fidelity: The low fidelity, a share of a full measurement above 0 and below 1.
        ratio: Number of candidates that are evaluated at the low fidelity for each that is evaluated in full.
        predictor: Name of the predictor of costs that are not exact; see `predictors.registry`.

    Raises:
        ValueError: If the fidelity is not above 0 and below 1, the ratio is below 1, or the predictor is unknown.
    """

    uses_low_fidelity = True

    fidelity: float = 0.1
    ratio: int = 8
    predictor: str = DEFAULT_PREDICTOR

    def __post_init__(self) -> None:
        if not 0.0 < self.fidelity < 1.0:
            raise ValueError(f"fidelity must lie between 0 and 1, got {self.fidelity:g}")
        check_count("ratio", self.ratio, most=1000)
        PREDICTORS.check_name(self.predictor)

    def create(self, problem: SearchProblem, seed: int) -> MultiFidelitySearcher:
        return MultiFidelitySearcher(problem, self, seed)


class MultiFidelitySearcher(Searcher):
    """Evaluates the candidates that are predicted to be best at the low fidelity, and the best of these in full.

    A cost that had the same value at both fidelities for every candidate so far, such as a latency, is not predicted
    where its low-fidelity value is known.

    Args:
        problem: The search problem.
        method: The options.
        seed: Seed of all random choices.
    """

    batch = 8

    def __init__(self, problem: SearchProblem, method: MultiFidelity, seed: int) -> None:
        self.space = problem.space
        self._problem, self._method = problem, method
        self._learner = Learner(method.predictor, seed)
        self._rng = np.random.default_rng(seed)
        design = create_first_design(self.space, FIRST_DESIGN, seed, problem.subspace)
        self._unseen = UnseenCandidates(self.space, self._rng, problem.subspace, design)  # asked for at no fidelity
        self._obvious = list_obvious_candidates(self.space, problem.subspace).genes
        self._low, self._full = Archive(problem), Archive(problem)
        self._waiting = self._low.genes  # told at the low fidelity, and neither asked for nor told in full
        self._pending = self._low.genes  # asked for at the low fidelity; neither told, nor asked for in full
        self._known: set[bytes] = set()  # asked for or told in full
        self._asked_low = self._asked_full = 0
        self._low_model: LowFidelityModel | None = None  # of all that is in the archive of the low fidelity

    def ask(self, n: int) -> Population:
        """Candidates at the low fidelity, `ratio` for each of `n`; at the next ask, the best of them in full.

        If no candidate is left for the low fidelity, the waiting ones are asked for in full, then random ones.
        """
        missing = self._method.ratio * (self._asked_full + n) - self._asked_low
        if missing > 0:
            chosen = self._choose_low(missing)
            if len(chosen):
                self._asked_low += len(chosen)
                self._pending = np.concatenate([self._pending, chosen])
                return Population(self.space, chosen, self._method.fidelity)
        asked = self._choose_full(n)
        self._asked_full += len(asked)
        return Population(self.space, asked)

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Keeps the outcome for the next fit; candidates told at the low fidelity wait to be asked for in full."""
        self._unseen.admit(population.genes)
        if population.fidelity == FULL_FIDELITY:
            self._forget(population.genes)
            self._full.add(population, costs, violations)
            return
        self._low.add(population, costs, violations)
        self._low_model = None
        self._pending = _without(self._pending, {vector.tobytes() for vector in population.genes})
        self._waiting = np.concatenate([self._waiting, _without(population.genes, self._known)])

    def tell_failures(self, population: Population) -> None:
        """Asks for these candidates at neither fidelity any more; nothing is fitted to them."""
        self._unseen.admit(population.genes)
        self._forget(population.genes)

    def _choose_low(self, n: int) -> Genes:
        """The first design and random candidates while there are few full outcomes, then those predicted to be best."""
        chosen = self._unseen.take_designed(n)
        if len(chosen) < n and len(self._full) >= _FEWEST_FULL and len(self._low) > 1:
            acquisition = self._fit()
            best = np.concatenate([self._obvious, self._full.sort_best_first()])
            pool = find_promising(self._unseen, acquisition, best, _INNER_EVALUATIONS)
            if len(pool):
                found = pool[choose_first_fronts(n - len(chosen), *acquisition(Population(self.space, pool)))]
                chosen = np.concatenate([chosen, self._unseen.admit(found)])
        return np.concatenate([chosen, self._unseen.sample(n - len(chosen))])

    def _choose_full(self, n: int) -> Genes:
        """The most promising of the waiting candidates, then pending ones, then random ones."""
        chosen = self._waiting
        if len(chosen) > n:
            chosen = chosen[np.sort(choose_first_fronts(n, *self._fit()(Population(self.space, chosen))))]
        asked = np.concatenate([chosen, self._pending[: n - len(chosen)]])
        asked = np.concatenate([asked, self._unseen.sample(n - len(asked))])
        self._forget(asked)
        return asked

    def _forget(self, genes: Genes) -> None:
        """Marks candidates as asked for or told in full, or failed: they neither wait nor are pending from now on."""
        self._known |= {vector.tobytes() for vector in genes}
        self._waiting, self._pending = (_without(some, self._known) for some in (self._waiting, self._pending))

    def _fit(self) -> Surrogate:
        """A surrogate of the full costs; of the low-fidelity costs while there are too few full outcomes.

        Costs that are the same at both fidelities are taken from the low-fidelity model; the low-fidelity values of the
        other costs are features of their predictors.
        """
        if self._low_model is None:
            self._low_model = LowFidelityModel(self._problem, self._learner, self._low, self._rng)
        low_model, early = self._low_model, len(self._full) < _FEWEST_FULL
        archive = self._low if early else self._full
        exact = np.ones(len(self._problem.objectives), dtype=bool) if early else low_model.are_exact(archive)
        objectives = tuple(
            _look_up(objective, low_model, column) if exact[column] and not objective.exact else objective
            for column, objective in enumerate(self._problem.objectives)
        )

        def features(population: Population) -> FloatArray:
            low_costs = _WEIGHT * low_model.predict_warped(population)[:, ~exact]
            return np.concatenate([extract_search_features(population), low_costs], axis=1)

        problem, learner = replace(self._problem, objectives=objectives), replace(self._learner, features=features)
        return Surrogate(problem, learner, archive, self._rng, _KAPPA)


def _without(genes: Genes, known: set[bytes]) -> Genes:
    """The rows of genes, shape (n, d), that are not among the known ones."""
    return genes[[vector.tobytes() not in known for vector in genes]]


def _look_up(objective: Objective, low_model: LowFidelityModel, column: int) -> Objective:
    """The objective with its values at the low fidelity, known or predicted, as exact ones."""

    def values(population: Population) -> FloatArray:
        return objective.metric.costs(low_model.predict(population)[:, column])  # the sign flips back

    return replace(objective, evaluate=values, exact=True)
