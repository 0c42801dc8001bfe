"""Pixels become inputs of mean 0 and standard deviation 1."""

from __future__ import annotations

import pytest
import torch

from nas.data.inputs import TensorInputs
from nas.data.normalization import Normalization, compute_normalization
from nas.data.splits import DataSplits, Split

NAMES = tuple(map(str, range(40)))
PIXELS = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IMAGES = Split.of(PIXELS, torch.arange(40))


def test_normalised_training_images_have_mean_zero_and_deviation_one() -> None:
    inputs = DataSplits(IMAGES, IMAGES, IMAGES, NAMES).normalization.inputs(PIXELS, 8)
    assert inputs.mean((0, 2, 3)).tolist() == pytest.approx([0.0] * 3, abs=1e-5)
    assert inputs.std((0, 2, 3)).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_a_channel_that_never_changes_becomes_zero() -> None:
    pixels = PIXELS.clone()
    pixels[:, 1] = 77
    normalization = compute_normalization(TensorInputs(pixels))
    inputs = normalization.inputs(pixels, 8)
    assert inputs.isfinite().all()
    assert inputs[:, 1].abs().max() < 1e-6
    assert inputs[:, 0].std() == pytest.approx(1.0, abs=1e-3)


def test_resizing_keeps_a_plain_colour() -> None:
    plain = torch.full((1, 1, 8, 8), 51, dtype=torch.uint8)
    for side in (5, 8, 16):
        inputs = Normalization((0.1,), (0.2,)).inputs(plain, side)
        torch.testing.assert_close(inputs, torch.full((1, 1, side, side), 0.5))


def test_consecutive_batches_hold_every_image_once() -> None:
    batches = list(Normalization((0.0,) * 3, (1.0,) * 3).batches(IMAGES, 8, 16))
    assert [len(labels) for _, labels in batches] == [16, 16, 8]
    assert torch.equal(torch.cat([labels for _, labels in batches]), IMAGES.labels)
    torch.testing.assert_close(torch.cat([inputs for inputs, _ in batches]), PIXELS / 255)
