"""Gradient matching: how far the gradients of a gene's values agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.training.few_shot.gradient_matching import compute_matching_scores
from nas.training.few_shot.grouping import choose_grouping, measure_separation

Op = Callable[[Tensor], Tensor]
DUPLICATES: list[Op] = [lambda h: h, lambda h: h, lambda h: h]
CONFLICT: list[Op] = [lambda h: h, lambda h: h, lambda h: -h]


def random_gradients(seed: int) -> list[list[Tensor | None]]:
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randn(shape, generator=generator) for shape in [(3, 2), (5,)]] for _ in range(4)]


def scaled(gradients: Sequence[Sequence[Tensor | None]], factor: float) -> list[list[Tensor | None]]:
    return [[None if g is None else g * factor for g in op] for op in gradients]


def test_an_op_and_its_negative_oppose_each_other_and_are_parted() -> None:
    w = torch.zeros((), requires_grad=True)
    x, y = torch.tensor([1.0, 2.0, -0.5]), torch.tensor([0.5, 1.5, 1.0])
    scores = compute_matching_scores([torch.autograd.grad(((op(w * x) - y) ** 2).mean(), [w]) for op in CONFLICT])
    np.testing.assert_allclose(scores, [[1, 1, -1], [1, 1, -1], [-1, -1, 1]], rtol=0, atol=1e-15)
    assert choose_grouping(scores, 2) == ((0, 1), (2,))
    assert measure_separation(scores, ((0, 1), (2,))) == 2.0


def test_the_choice_whose_ops_conflict_separates_more() -> None:
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(4, 3, generator=generator).requires_grad_()
    x, y = torch.randn(8, 4, generator=generator), torch.randn(8, 3, generator=generator)

    def best_separation(edges: list[list[Op]], edge: int) -> float:
        gradients = []
        for op in edges[edge]:
            context = [op if number == edge else ops[0] for number, ops in enumerate(edges)]
            gradients.append(torch.autograd.grad(((context[1](context[0](x @ w).tanh()) - y) ** 2).mean(), [w]))
        scores = compute_matching_scores(gradients)
        return measure_separation(scores, choose_grouping(scores, 2))

    for edges, conflicting in [([DUPLICATES, CONFLICT], 1), ([CONFLICT, DUPLICATES], 0)]:
        assert best_separation(edges, 1 - conflicting) == pytest.approx(0.0, abs=1e-12)
        assert best_separation(edges, conflicting) > 0.1


def test_matching_is_the_cosine_of_whole_gradients_at_any_scale_of_the_loss() -> None:
    gradients = random_gradients(0)
    rows = np.array([np.concatenate([g.flatten().numpy() for g in op if g is not None]) for op in gradients], float)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    scores = compute_matching_scores(gradients)
    np.testing.assert_allclose(scores, unit @ unit.T, rtol=0, atol=1e-14)
    assert (scores == scores.T).all()
    assert (scores.diagonal() == 1).all()
    for factor in [1e-30, 1e-6, 1e6, 1e30]:
        np.testing.assert_allclose(compute_matching_scores(scaled(gradients, factor)), scores, rtol=0, atol=1e-6)
    for power in [
        -1000,
        -20,
        20,
        1000,
    ]:  # a power of two scales without rounding, in double far beyond single precision
        double: list[list[Tensor | None]] = [[g.double() for g in op if g is not None] for op in gradients]
        np.testing.assert_allclose(compute_matching_scores(scaled(double, 2.0**power)), scores, rtol=0, atol=1e-15)


def test_none_is_zero_and_keeps_its_place() -> None:
    one, other = torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0])
    scores = compute_matching_scores([[one, None], [None, one], [other, one], [None, None], [None, torch.zeros(2)]])
    zeros = torch.zeros(2)
    filled = compute_matching_scores([[one, zeros], [zeros, one], [other, one], [zeros, zeros], [zeros, zeros]])
    np.testing.assert_array_equal(scores, filled)
    assert scores[0, 1] == 0  # equal tensors, but of different parameters
    assert scores[0, 2] == pytest.approx(24 / (5 * 50**0.5), abs=1e-15)
    np.testing.assert_array_equal(scores[3:], np.eye(5)[3:])  # no gradient at all agrees with nothing


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compute_matching_scores([]), "every value needs"),
        (lambda: compute_matching_scores([[torch.ones(2)], [torch.ones(2), None]]), r"got \[1, 2\] parameters"),
        (lambda: compute_matching_scores([[torch.ones(2)], [torch.ones(3)]]), "one shape"),
        (lambda: compute_matching_scores([[torch.ones(2)], [torch.tensor([1.0, float("nan")])]]), r"values \[1\]"),
    ],
)
def test_bad_input_is_refused_in_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
