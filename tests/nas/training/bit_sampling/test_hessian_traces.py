"""Traces of known Hessians and the probabilities of bit-widths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.training.bit_sampling.hessian_traces import compute_bit_probabilities, estimate_hessian_traces


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def positive(size: int, seed: int) -> Tensor:
    root = torch.randn(size, size, generator=generator(seed), dtype=torch.float64)
    return root @ root.T


def weight(size: int) -> Tensor:
    return torch.randn(size, generator=generator(), dtype=torch.float64).requires_grad_()


def quadratic(w: Tensor, hessian: Tensor) -> Tensor:
    return w @ hessian @ w / 2


def test_probes_have_the_mean_and_the_variance_of_theory() -> None:
    hessian, w, probes = positive(6, 1), weight(6), 2000
    random = generator()
    samples = 6 * np.array([estimate_hessian_traces(quadratic(w, hessian), [w], 1, random)[0] for _ in range(probes)])
    variance = 2 * (hessian.square().sum() - hessian.diagonal().square().sum()).item()
    assert abs(samples.mean() - hessian.trace().item()) < 3 * (variance / probes) ** 0.5
    assert samples.var(ddof=1) == pytest.approx(variance, rel=0.15)
    together = estimate_hessian_traces(quadratic(w, hessian), [w], probes, generator())
    assert together == pytest.approx([samples.mean() / 6])


def test_one_probe_is_exact_for_diagonal_hessians_of_any_sign() -> None:
    diagonals = [torch.tensor([1.0, -5.0, 2.5]), torch.tensor([[0.0, 7.0], [1.0, 2.0]])]
    weights = [torch.randn(d.shape, generator=generator()).requires_grad_() for d in diagonals]
    unused = torch.ones(2, requires_grad=True)
    loss = torch.stack([(d * w.square()).sum() / 2 for d, w in zip(diagonals, weights, strict=True)]).sum()
    assert estimate_hessian_traces(loss, [*weights, unused], 1, generator()) == pytest.approx([-0.5, 2.5, 0.0])


def test_each_layer_gets_its_own_trace_and_coupling_cancels_on_average() -> None:
    first, second, a, b = positive(3, 1), positive(5, 2), weight(3), weight(5)
    loss = quadratic(a, first) + quadratic(b, second)
    alone = estimate_hessian_traces(quadratic(a, first), [a], 1, generator())
    assert estimate_hessian_traces(loss, [a, b], 1, generator())[0] == pytest.approx(alone[0])
    coupled = loss + 0.1 * a.sum() * b.sum()
    averages = estimate_hessian_traces(coupled, [a, b], 2000, generator())
    assert averages == pytest.approx([first.trace().item() / 3, second.trace().item() / 5], rel=0.05)


def test_odds_are_uniform_up_to_the_mean_and_proportional_to_bits_above() -> None:
    probabilities = compute_bit_probabilities([-3.0, 1.0, 5.0], [[8, 6, 4, 2]] * 3)  # the mean is 1
    np.testing.assert_allclose(probabilities, [[0.25] * 4, [0.25] * 4, [0.4, 0.3, 0.2, 0.1]])
    np.testing.assert_allclose(np.sum(probabilities, axis=1), 1)
    for equal in (0.1, 0.7, -0.7):
        np.testing.assert_allclose(compute_bit_probabilities([equal] * 3, [[4, 8]] * 3), 0.5)


def test_floating_point_is_drawn_at_its_own_rate_and_changes_no_ratio_of_the_others() -> None:
    """METHODS 5.1: 8, 4 and 3 bits are drawn in 8, 4 and 3 of 15 cases, of those in which there are any."""
    _, plain = compute_bit_probabilities([0.0, 1.0], [[8, 4, 3]] * 2)
    np.testing.assert_allclose(plain, [8 / 15, 4 / 15, 3 / 15])
    _, (floating, *others) = compute_bit_probabilities([0.0, 1.0], [[32, 8, 4, 3]] * 2)
    assert floating == 1 / 4
    np.testing.assert_allclose(np.array(others) / sum(others), plain)
    assert compute_bit_probabilities([0.0, 1.0], [[32, 32]] * 2)[1] == [0.5, 0.5]


@pytest.mark.parametrize(("traces", "bits"), [([], [8]), ([float("nan")], [8]), ([1.0], []), ([1.0], [8, 0])])
def test_odds_refuse_what_is_no_trace_or_bit_width(traces: list[float], bits: list[int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        compute_bit_probabilities(traces, [bits])


def test_traces_need_a_probe() -> None:
    w = weight(2)
    with pytest.raises(ValueError, match="probes must be at least 1"):
        estimate_hessian_traces(w.square().sum(), [w], 0, generator())
