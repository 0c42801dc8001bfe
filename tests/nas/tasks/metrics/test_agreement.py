from __future__ import annotations

import math

import pytest
import torch

from nas.tasks.metrics.agreement import ExplainedVariance, OutputDivergence, Top1Agreement

GIVEN = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 5.0], [4.0, 3.0, 0.0]])


def test_agreement_counts_equal_answers_and_bounds_the_change_of_accuracy() -> None:
    outputs = GIVEN.clone()
    outputs[3, 1] = 9.0
    assert Top1Agreement().value(outputs, GIVEN) == 75.0
    assert Top1Agreement().value(7 * GIVEN - 3, GIVEN) == 100.0
    labels = torch.tensor([0, 1, 2, 1])
    before, after = ((one.argmax(1) == labels).double().mean() for one in (GIVEN, outputs))
    assert abs(float(after - before)) <= 0.25


def test_explained_variance_is_that_of_the_mean_at_0() -> None:
    assert ExplainedVariance().value(GIVEN.mean(0).expand_as(GIVEN), GIVEN) == pytest.approx(0.0)
    assert ExplainedVariance().value(0.5 * (GIVEN + GIVEN.mean(0)), GIVEN) == pytest.approx(0.75)
    same = torch.ones(4, 3)
    assert (ExplainedVariance().value(same, same), ExplainedVariance().value(2 * same, same)) == (1.0, 0.0)


def test_divergence_is_that_of_probabilities() -> None:
    theirs = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log()
    ours = torch.tensor([[0.25, 0.75], [0.25, 0.75]]).log() + 3.0
    expected = (0.5 * math.log(2) + 0.5 * math.log(2 / 3)) / 2
    assert OutputDivergence().value(ours, theirs) == pytest.approx(expected, rel=1e-6)
    assert OutputDivergence().value(theirs + 1.0, theirs) == pytest.approx(0.0, abs=1e-12)
