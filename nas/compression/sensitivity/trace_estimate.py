"""Estimates of traces from random probes, and when they are good enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.additive_cost import FloatArray

_AT_ONCE = 4  # probes that share a forward pass; the standard error of fewer is itself hardly known


@dataclass(frozen=True, eq=False)
class TraceEstimate:
    """Traces of several matrices from the same probes.

    Attributes:
        means: Mean over probes, shape (matrices,).
        standard_errors: Of the means, shape (matrices,); infinite after a single probe that is not exact.
        probes: Number of probes.
    """

    means: FloatArray
    standard_errors: FloatArray
    probes: int


def estimate_traces(
    probe: Callable[[range], FloatArray], most: int, tolerance: float, population: int | None = None
) -> TraceEstimate:
    """Draws probes until all traces are known well enough.

    Args:
        probe: The products z' H z of probes by their numbers, shape (probes, matrices); the mean of each is the trace.
        most: The most probes that are drawn.
        tolerance: It stops once each standard error is at most this share of its mean.
        population: Number of probes of which the mean is exact, drawn without replacement; None if there are endless.
    """
    limit = min(most, most if population is None else population)
    drawn = probe(range(min(_AT_ONCE, limit)))
    while True:
        found = _summarize(drawn, population)
        if len(drawn) == limit or bool((found.standard_errors <= tolerance * np.abs(found.means)).all()):
            return found
        drawn = np.concatenate([drawn, probe(range(len(drawn), min(len(drawn) + _AT_ONCE, limit)))])


def _summarize(drawn: FloatArray, population: int | None) -> TraceEstimate:
    count = len(drawn)
    left = 1.0 if population is None else (population - count) / population
    if count == 1:
        errors = np.full(drawn.shape[1], np.inf if left else 0.0)
    else:
        errors = drawn.std(0, ddof=1) * np.sqrt(left / count)
    return TraceEstimate(drawn.mean(0), errors, count)


def draw_signs(rows: NDArray[np.int64], columns: int) -> FloatArray:
    """Rows of a Sylvester-Hadamard matrix: any two of its full rows are orthogonal, all entries are 1 or -1.

    The mean of r r' over all rows r, of any columns, is the identity.

    Args:
        rows: Numbers of the rows, below the first power of two that is at least `columns`.
        columns: Number of columns.

    Returns:
        Shape (rows, columns).
    """
    common = rows[:, None] & np.arange(columns)
    odd = np.zeros_like(common)
    while common.any():
        odd ^= common & 1
        common >>= 1
    return 1.0 - 2.0 * odd
