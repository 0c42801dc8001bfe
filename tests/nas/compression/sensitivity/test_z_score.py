"""Shares of large weights that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.compression.sensitivity.z_score import ZScore, compute_large_share
from nas.compression.subject import CompressionSubject


def test_normal_weights_have_the_share_of_one_tail() -> None:
    weight = torch.randn(500, 400, generator=torch.Generator().manual_seed(0))
    assert compute_large_share(weight) == pytest.approx(0.1587, abs=0.003)
    assert compute_large_share(3 * weight - 5) == pytest.approx(compute_large_share(weight), abs=1e-4)
    assert compute_large_share(torch.ones(2, 3)) == 0.0


def test_few_large_weights_make_a_layer_important(residual: CompressionSubject) -> None:
    shares = [compute_large_share(weight) for weight in residual.weights]
    found = ZScore().damage(residual)
    a_bit = [float(values[1]) / weight.numel() / 29 for values, weight in zip(found, residual.weights, strict=True)]
    assert a_bit[int(np.argmin(shares))] == 3
    assert a_bit[int(np.argmax(shares))] == 1
