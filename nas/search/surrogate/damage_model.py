"""How a measured cost follows from the damage of the policies of all layers, corrected by what was measured.

A sensitivity metric tells the damage of each policy of each layer alone and, where it was measured, what several layers
damage together beyond that. The sum orders policies, in another unit than the cost and not without error. Both are
learnt from measured candidates: the scale as a rising function of the sum, the error as a factor of each entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from nas.objectives import FloatArray
from search_spaces.additive_cost import Term
from search_spaces.search_space import Genes

_SPREAD = 0.5  # standard deviation of the factor of an entry before anything is measured
_LEAST_FACTOR = 0.05  # damage stays damage, whatever few measurements say
_NOISE_SHARE = 0.25  # share of the squared residuals that is taken for noise of the measurements
_TINY = 1e-12  # keeps slopes and variances above 0


@dataclass(frozen=True)
class DamageModel:
    """A model of one cost, fitted to candidates of a space of one network.

    With a sum s of damage, the cost is `a + b sqrt(s) + c s`, with b and c not below 0. An entry of a table is its
    damage times a factor; the factors are normally distributed around 1, and independent, before anything is measured,
    and Gaussian conditioning on the residuals of the fit gives their distribution after.

    Attributes:
        damage: For each layer, the damage of its policies, shape (policies of the layer,).
        genes: The measured candidates, shape (n, layers); n is 1 or more.
        costs: Their cost, shape (n,).
        pairs: What several layers damage together beyond the sum of their own: tables over their policies, whose
            columns are indices of layers.
    """

    damage: tuple[FloatArray, ...]
    genes: Genes
    costs: FloatArray
    pairs: tuple[Term, ...] = ()

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """One draw of the factors of all entries, layer after layer, then those of pairs, shape (entries,).

        Args:
            rng: Source of the random numbers.
        """
        drawn = _SPREAD * rng.standard_normal(len(self._flat))
        noise = self._noise * rng.standard_normal(len(self.costs))
        return 1.0 + drawn + self._condition(self._residuals - self._slopes @ drawn - noise)

    @cached_property
    def expected(self) -> FloatArray:
        """The expected factors of all entries, shape (entries,)."""
        return 1.0 + self._condition(self._residuals)

    def correct(self, factors: FloatArray) -> tuple[tuple[FloatArray, ...], tuple[Term, ...]]:
        """The tables of damage with factors: for each layer of shape (policies of the layer,), and those of pairs.

        Args:
            factors: A draw, or the expected factors.
        """
        corrected = np.split(self._flat * np.maximum(factors, _LEAST_FACTOR), self._starts[1:])
        together = corrected[len(self.damage) :]
        return tuple(corrected[: len(self.damage)]), tuple(
            Term(term.columns, known.reshape(term.table.shape))
            for term, known in zip(self.pairs, together, strict=True)
        )

    def predict(self, genes: Genes, factors: FloatArray) -> FloatArray:
        """The cost of candidates, shape (n,).

        Args:
            genes: The candidates, shape (n, layers).
            factors: A draw, or the expected factors.
        """
        return self._scale(self._entries(genes) @ (self._flat * np.maximum(factors, _LEAST_FACTOR)))

    @cached_property
    def _flat(self) -> FloatArray:
        return np.concatenate([*self.damage, *(term.table.ravel() for term in self.pairs)])

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where each table begins, those of the layers first."""
        return np.cumsum([0, *map(len, self.damage), *(term.table.size for term in self.pairs)])[:-1]

    def _entries(self, genes: Genes) -> FloatArray:
        """The entries of the tables that candidates add up, as a mask of shape (n, entries)."""
        together = [
            np.ravel_multi_index(tuple(genes[:, column] for column in term.columns), term.table.shape)
            for term in self.pairs
        ]
        mask = np.zeros((len(genes), len(self._flat)))
        np.put_along_axis(mask, np.column_stack([genes, *together]) + self._starts, 1.0, axis=1)
        return mask

    @cached_property
    def _fit(self) -> tuple[FloatArray, float]:
        """The coefficients of the cost, and the largest sum of damage, by which sums are divided."""
        sums = np.maximum(self._entries(self.genes) @ self._flat, 0.0)
        largest = float(sums.max()) or 1.0
        columns = np.column_stack([np.ones(len(sums)), -np.ones(len(sums)), np.sqrt(sums / largest), sums / largest])
        (up, down, root, line), _ = nnls(columns, self.costs)
        return np.array([up - down, root, max(line, _TINY)]), largest

    def _scale(self, sums: FloatArray) -> FloatArray:
        """The cost of sums of damage, shape (n,)."""
        (constant, root, line), largest = self._fit
        shares = np.maximum(sums, 0.0) / largest
        return np.asarray(constant + root * np.sqrt(shares) + line * shares)

    @cached_property
    def _residuals(self) -> FloatArray:
        return self.costs - self._scale(self._entries(self.genes) @ self._flat)

    @cached_property
    def _slopes(self) -> FloatArray:
        """The change of each measured cost with the factor of each entry, shape (n, entries)."""
        (_, root, line), largest = self._fit
        parts = self._entries(self.genes) * self._flat
        shares = parts.sum(axis=1) / largest  # below 0 where layers are taken to help each other by more than all do
        slope = (root / (2.0 * np.sqrt(np.maximum(shares, _TINY))) + line) / largest
        return np.asarray(np.where(shares > 0, slope, 0.0)[:, None] * parts)

    @property
    def _noise(self) -> float:
        """Standard deviation of a measured cost around the model."""
        return float(np.sqrt(_NOISE_SHARE * np.mean(self._residuals**2) + _TINY))

    @cached_property
    def _gain(self) -> FloatArray:
        """From residuals, shape (n,), to what they add to the factors: a matrix of shape (entries, n)."""
        covariance = _SPREAD**2 * self._slopes @ self._slopes.T + self._noise**2 * np.eye(len(self.costs))
        return np.asarray(_SPREAD**2 * np.linalg.solve(covariance, self._slopes).T)

    def _condition(self, residuals: FloatArray) -> FloatArray:
        return np.asarray(self._gain @ residuals)
