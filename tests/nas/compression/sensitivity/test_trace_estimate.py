"""Hutchinson's estimate on matrices whose traces are known."""

from __future__ import annotations

import numpy as np
import pytest

from nas.compression.sensitivity.trace_estimate import draw_signs, estimate_traces
from search_spaces.additive_cost import FloatArray


def by_random_signs(matrix: FloatArray, most: int, tolerance: float = 0.0) -> tuple[float, float, int]:
    rng = np.random.default_rng(0)

    def probe(numbers: range) -> FloatArray:
        z = rng.choice([-1.0, 1.0], size=(len(numbers), len(matrix)))
        return np.einsum("pi,ij,pj->p", z, matrix, z)[:, None]

    found = estimate_traces(probe, most, tolerance)
    return float(found.means[0]), float(found.standard_errors[0]), found.probes


def test_a_quadratic_is_met_with_the_variance_of_the_formula() -> None:
    factor = np.random.default_rng(1).normal(size=(12, 6))
    matrix = factor @ factor.T
    mean, error, probes = by_random_signs(matrix, 2000)
    assert abs(mean - np.trace(matrix)) < 3 * error
    variance = 2 * (np.square(matrix).sum() - np.square(np.diag(matrix)).sum())
    assert error**2 * probes == pytest.approx(variance, rel=0.15)


def test_a_diagonal_is_exact_in_one_probe() -> None:
    mean, _, probes = by_random_signs(np.diag([1.0, -2.0, 5.0]), 1)
    assert (mean, probes) == (pytest.approx(4.0), 1)
    assert by_random_signs(np.diag([1.0, -2.0, 5.0]), 100)[1:] == (pytest.approx(0.0, abs=1e-12), 4)


def test_it_stops_once_the_error_is_small_enough() -> None:
    matrix = np.eye(8) + 0.5
    mean, error, probes = by_random_signs(matrix, 10_000, tolerance=0.05)
    assert 4 < probes < 10_000
    assert error <= 0.05 * mean


@pytest.mark.parametrize("columns", [1, 2, 5, 10])
def test_all_probes_of_an_orthogonal_set_give_the_trace_itself(columns: int) -> None:
    population = 1 << (columns - 1).bit_length()
    signs = draw_signs(np.arange(population), columns)
    np.testing.assert_array_equal(signs.T @ signs, population * np.eye(columns))
    matrix = np.random.default_rng(2).normal(size=(columns, columns))

    def probe(numbers: range) -> FloatArray:
        z = signs[numbers.start : numbers.stop]
        return np.einsum("pi,ij,pj->p", z, matrix, z)[:, None]

    found = estimate_traces(probe, 64, 0.0, population)
    assert found.probes == population
    assert found.means[0] == pytest.approx(np.trace(matrix))
    assert found.standard_errors[0] == 0.0
