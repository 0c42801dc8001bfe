"""Accuracy counts hits, and its error is that of counting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.tasks.metrics.accuracy import Accuracy, Top5Accuracy


def test_the_share_of_hits_in_percent() -> None:
    logits = torch.eye(4)
    assert Accuracy().value(logits, torch.tensor([0, 1, 2, 0])) == 75.0


def test_the_error_is_what_many_draws_of_images_show() -> None:
    drawn = 100 * np.random.default_rng(0).binomial(400, 0.8, 20_000) / 400
    assert Accuracy().standard_error(np.array([80.0]), 400) == pytest.approx(drawn.std(), rel=0.02)


def test_a_perfect_score_is_not_certain() -> None:
    assert Accuracy().standard_error(np.array([100.0]), 100)[0] > 0.9


def test_the_label_among_the_first_five() -> None:
    outputs = torch.arange(8.0).repeat(4, 1)
    assert Top5Accuracy().value(outputs, torch.tensor([7, 3, 2, 0])) == 50.0
    assert Top5Accuracy().value(outputs[:, :3], torch.tensor([2, 1, 0, 0])) == 100.0
