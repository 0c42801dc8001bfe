"""Optuna's samplers behind ask and tell, with limits as constraints: TPE, NSGA-II and Gaussian processes.

Optuna sees one categorical or integer parameter per gene. It keeps its trials in memory; only the results database is
stored.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.trial import TrialState, create_trial

from nas.objectives import FloatArray
from nas.search.protocol.first_design import FIRST_DESIGN, create_first_design
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import POPULATION_SIZE, SearchMethod, check_count
from nas.search.protocol.searcher import Searcher, check_outcomes
from nas.search.protocol.unseen import UnseenCandidates
from search_spaces.choices import Gene
from search_spaces.population import Population
from search_spaces.search_space import Genes

_REPEATS = 3  # seen suggestions in a row after which candidates are drawn at random
_LIMITS = "limits"  # name of the constraint of a trial that holds its violation


class OptunaSearcher(Searcher):
    """Asks for candidates that a sampler of Optuna suggests, after the first design.

    If a suggestion was asked for before, Optuna is told its known outcome again, without an evaluation, and the sampler
    suggests another one. After three such suggestions in a row, new candidates are drawn at random.

    Args:
        problem: The search problem.
        sampler: The sampler, already seeded.
        seed: Seed of the first design and of the candidates that are drawn at random.
    """

    batch = 1

    def __init__(self, problem: SearchProblem, sampler: BaseSampler, seed: int) -> None:
        self.space = problem.space
        self._minimized = problem.minimized
        self._distributions = {gene.name: _create_distribution(gene) for gene in self.space.genes}
        self._unseen = UnseenCandidates(self.space, np.random.default_rng(seed))
        self._outcomes: dict[bytes, tuple[list[float] | None, float]] = {}  # costs, None if it failed, and violation
        self._waiting: dict[bytes, deque[optuna.Trial]] = {}
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * len(problem.minimized))
        for genes in create_first_design(self.space, FIRST_DESIGN, seed).genes:
            self._study.enqueue_trial(self._name_genes(genes))

    def ask(self, n: int) -> Population:
        """The next `n` candidates; starts a trial of Optuna for every suggestion, repeated ones included."""
        found = np.empty((0, len(self.space.cardinalities)), dtype=np.int16)
        repeats = 0
        while len(found) < n and repeats < _REPEATS:
            trial = self._study.ask(self._distributions)
            suggested = self.space.population([trial.params[gene.name] for gene in self.space.genes]).genes
            fresh = self._unseen.admit(suggested)
            repeats = 0 if len(fresh) else repeats + 1
            found = np.concatenate([found, fresh])
            self._waiting.setdefault(suggested[0].tobytes(), deque()).append(trial)
            if not len(fresh):
                self._report(suggested[0])
        return Population(self.space, np.concatenate([found, self._unseen.sample(n - len(found))]))

    def tell(self, population: Population, costs: FloatArray, violations: FloatArray) -> None:
        """Finishes the trials of the candidates; for those that the sampler did not suggest, adds finished trials."""
        check_outcomes(costs, violations)
        self._unseen.admit(population.genes)
        for genes, cost, violation in zip(population.genes, costs[:, self._minimized], violations, strict=True):
            self._tell_one(genes, cost.tolist(), float(violation))

    def tell_failures(self, population: Population) -> None:
        """Finishes the trials of the candidates without values, as pruned ones that violate the limits without bound.

        Samplers that fit or mate trials use those with values alone; TPE keeps away from the others.
        """
        self._unseen.admit(population.genes)
        for genes in population.genes:
            self._tell_one(genes, None, np.inf)

    def _tell_one(self, genes: Genes, cost: list[float] | None, violation: float) -> None:
        self._outcomes[genes.tobytes()] = (cost, violation)
        if genes.tobytes() in self._waiting:
            self._report(genes)
        else:
            self._study.add_trial(self._create_trial(genes, cost, violation))

    def _report(self, genes: Genes) -> None:
        """Finishes the unfinished trials of a candidate with its outcome, if that is known."""
        if genes.tobytes() not in self._outcomes:
            return
        cost, violation = self._outcomes[genes.tobytes()]
        for trial in self._waiting.pop(genes.tobytes()):
            trial.set_constraint(_LIMITS, violation)
            self._study.tell(trial, cost, state=_name_state(cost))

    def _create_trial(self, genes: Genes, cost: list[float] | None, violation: float) -> optuna.trial.FrozenTrial:
        distributions: Mapping[str, BaseDistribution] = self._distributions
        return create_trial(
            state=_name_state(cost),
            values=cost,
            params=self._name_genes(genes),
            distributions=dict(distributions),
            constraints={_LIMITS: violation},
        )

    def _name_genes(self, genes: Genes) -> dict[str, int]:
        return {gene.name: int(value) for gene, value in zip(self.space.genes, genes, strict=True)}


@dataclass(frozen=True)
class OptunaTPE(SearchMethod):
    """Tree-structured Parzen estimator (Bergstra et al., NIPS 2011; multi-objective: Ozaki et al., JAIR 2022)."""

    def create(self, problem: SearchProblem, seed: int) -> OptunaSearcher:
        return OptunaSearcher(problem, TPESampler(seed=seed), seed)


@dataclass(frozen=True)
class OptunaNSGA2(SearchMethod):
    """Optuna's own NSGA-II.

    Attributes:
        population_size: Number of trials in a generation.

    Raises:
        ValueError: If the population size is below 1.
    """

    population_size: int = POPULATION_SIZE

    def __post_init__(self) -> None:
        check_count("population_size", self.population_size)

    def create(self, problem: SearchProblem, seed: int) -> OptunaSearcher:
        return OptunaSearcher(problem, NSGAIISampler(seed=seed, population_size=self.population_size), seed)


@dataclass(frozen=True)
class OptunaGP(SearchMethod):
    """Gaussian processes with expected hypervolume improvement, or with expected improvement of one objective."""

    def create(self, problem: SearchProblem, seed: int) -> OptunaSearcher:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return OptunaSearcher(problem, GPSampler(seed=seed, deterministic_objective=False), seed)


def _name_state(cost: list[float] | None) -> TrialState:
    return TrialState.PRUNED if cost is None else TrialState.COMPLETE


def _create_distribution(gene: Gene) -> BaseDistribution:
    """Integers for an ordered gene, else categories; in both cases the parameter is the index of the gene's value."""
    last = len(gene.values) - 1
    return IntDistribution(0, last) if gene.is_ordered else CategoricalDistribution(tuple(range(last + 1)))
