from __future__ import annotations

import numpy as np
import pytest

from nas.objectives import FloatArray
from nas.search.surrogate.damage_model import DamageModel
from search_spaces.additive_cost import Term
from search_spaces.search_space import Genes

RNG = np.random.default_rng(0)
TRUTH = tuple(np.concatenate([[0.0], np.sort(RNG.lognormal(size=3))]) for _ in range(6))
WRONG = tuple(table * RNG.lognormal(sigma=0.4, size=4) for table in TRUTH)


def sums(genes: Genes) -> FloatArray:
    return np.asarray(np.sum([TRUTH[layer][genes[:, layer]] for layer in range(6)], axis=0))


def cost(genes: Genes) -> FloatArray:
    return np.asarray(-90.0 + 2.0 * sums(genes))


def candidates(count: int, seed: int) -> Genes:
    return np.random.default_rng(seed).integers(0, 4, (count, 6)).astype(np.int16)


def test_an_exact_table_needs_its_scale_only() -> None:
    genes = candidates(5, 1)
    model = DamageModel(TRUTH, genes, cost(genes))
    unseen = candidates(50, 2)
    assert model.predict(unseen, model.expected) == pytest.approx(cost(unseen), abs=1e-4)


def test_outcomes_correct_a_wrong_table() -> None:
    unseen = candidates(200, 2)
    errors = []
    for count in (8, 30, 120):
        genes = candidates(count, 1)
        model = DamageModel(WRONG, genes, cost(genes))
        errors.append(np.abs(model.predict(unseen, model.expected) - cost(unseen)).mean())
    assert errors[1] < 0.8 * errors[0]
    assert errors[2] < 0.4 * errors[0]


def test_draws_spread_around_what_is_expected_and_less_where_more_was_measured() -> None:
    spreads = []
    for count in (3, 60):
        genes = candidates(count, 1)
        model = DamageModel(WRONG, genes, cost(genes))
        drawn = np.array([model.draw(np.random.default_rng(seed)) for seed in range(400)])
        assert np.abs(drawn.mean(0) - model.expected).max() < 0.1
        spreads.append(drawn.std(0).mean())
    assert spreads[1] < spreads[0] <= 0.52


def test_what_does_no_damage_never_does() -> None:
    genes = candidates(20, 1)
    model = DamageModel(WRONG, genes, cost(genes))
    for factors in (model.expected, model.draw(np.random.default_rng(0))):
        corrected, _ = model.correct(factors)
        assert [table[0] for table in corrected] == [0.0] * 6
        assert all((table[1:] > 0).all() for table in corrected)


def test_what_two_layers_damage_together_is_learnt_like_what_each_does() -> None:
    table = RNG.normal(scale=3.0, size=(4, 4))
    pairs, wrong = (Term((1, 2), table * factor) for factor in (1.0, np.exp(RNG.normal(0.0, 0.3, size=(4, 4)))))

    def together(genes: Genes) -> FloatArray:
        return cost(genes) + 2.0 * table[genes[:, 1], genes[:, 2]]

    known, unseen = candidates(60, 1), candidates(200, 2)
    errors = []
    for terms in ((), (wrong,), (pairs,)):
        model = DamageModel(TRUTH, known, together(known), terms)
        errors.append(np.abs(model.predict(unseen, model.expected) - together(unseen)).mean())
        corrected, joint = model.correct(model.expected)
        assert [one.shape for one in corrected] == [(4,)] * 6
        assert [(one.columns, one.table.shape) for one in joint] == [((1, 2), (4, 4))] * len(terms)
    assert errors[2] < errors[1] < errors[0] / 2


def test_costs_that_do_not_rise_are_no_error() -> None:
    genes = candidates(20, 1)
    model = DamageModel(TRUTH, genes, -cost(genes))
    assert np.isfinite(model.predict(genes, model.draw(np.random.default_rng(0)))).all()
    none = tuple(np.zeros(4) for _ in range(6))
    flat = DamageModel(none, genes, np.full(20, 3.0))
    assert flat.predict(genes, flat.expected) == pytest.approx(np.full(20, 3.0))
