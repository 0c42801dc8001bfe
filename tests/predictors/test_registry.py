from __future__ import annotations

import pytest

from predictors.ensemble import EnsemblePredictor
from predictors.registry import create_predictor


def test_every_call_makes_a_predictor_of_its_own_with_the_seed() -> None:
    first, second = create_predictor("ensemble", seed=3), create_predictor(seed=3)
    assert first is not second
    assert isinstance(first, EnsemblePredictor)
    assert first.seed == 3
    with pytest.raises(ValueError, match="unknown predictor 'oracle'; known predictors: ensemble, ridge"):
        create_predictor("oracle")
