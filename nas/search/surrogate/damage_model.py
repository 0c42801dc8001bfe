"""How a measured cost follows from the damage of the policies of all layers, corrected by what was measured.

A sensitivity metric tells the damage of each policy of each layer alone. Its sum orders policies, in another unit than
the cost and not without error. Both are learnt from measured candidates: the scale as a rising function of the sum, the
error as a factor of each entry of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from nas.objectives import FloatArray
from search_spaces.search_space import Genes

_SPREAD = 0.5  # standard deviation of the factor of an entry before anything is measured
_LEAST_FACTOR = 0.05  # damage stays damage, whatever few measurements say
_NOISE_SHARE = 0.25  # share of the squared residuals that is taken for noise of the measurements
_TINY = 1e-12  # keeps slopes and variances above 0


@dataclass(frozen=True)
class DamageModel:
    """A model of one cost, fitted to candidates of a space of one network.

    With a sum s of damage, the cost is `a + b sqrt(s) + c s`, with b and c not below 0. An entry of the table is its
    damage times a factor; the factors are normally distributed around 1, and independent, before anything is measured,
    and Gaussian conditioning on the residuals of the fit gives their distribution after.

    Attributes:
        damage: For each layer, the damage of its policies, shape (policies of the layer,).
        genes: The measured candidates, shape (n, layers); n is 1 or more.
        costs: Their cost, shape (n,).
    """

    damage: tuple[FloatArray, ...]
    genes: Genes
    costs: FloatArray

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """One draw of the factors of all entries, layer after layer, shape (entries,).

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

    def correct(self, factors: FloatArray) -> tuple[FloatArray, ...]:
        """The table of damage with factors, for each layer of shape (policies of the layer,).

        Args:
            factors: A draw, or the expected factors.
        """
        corrected = self._flat * np.maximum(factors, _LEAST_FACTOR)
        return tuple(np.split(corrected, self._starts[1:]))

    def predict(self, genes: Genes, factors: FloatArray) -> FloatArray:
        """The cost of candidates, shape (n,).

        Args:
            genes: The candidates, shape (n, layers).
            factors: A draw, or the expected factors.
        """
        return self._scale(self._entries(genes) @ (self._flat * np.maximum(factors, _LEAST_FACTOR)))

    @cached_property
    def _flat(self) -> FloatArray:
        return np.concatenate(self.damage)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *map(len, self.damage)])[:-1]

    def _entries(self, genes: Genes) -> FloatArray:
        """The entries of the table that candidates add up, as a mask of shape (n, entries)."""
        mask = np.zeros((len(genes), len(self._flat)))
        np.put_along_axis(mask, genes + self._starts, 1.0, axis=1)
        return mask

    @cached_property
    def _fit(self) -> tuple[FloatArray, float]:
        """The coefficients of the cost, and the largest sum of damage, by which sums are divided."""
        sums = self._entries(self.genes) @ self._flat
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
        shares = parts.sum(axis=1) / largest
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
