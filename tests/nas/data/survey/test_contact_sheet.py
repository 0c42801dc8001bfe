"""The sheet shows the images that a network sees, in rows of classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.data.splits import DataSplits, Split
from nas.data.survey.contact_sheet import draw_sheet


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_rows_are_classes(channels: int) -> None:
    labels = torch.arange(30) % 3
    images = (80 * labels).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, channels, 8, 8)
    split = Split.of(images.contiguous(), labels)
    sheet = np.asarray(draw_sheet(DataSplits(split, split, split, ("a", "\u732b", "c" * 99))))
    assert sheet.shape == (3 * 52, 160 + 8 * 52, 3)
    for row in range(3):
        assert (sheet[52 * row : 52 * row + 48, 160:208] == 80 * row).all()
        assert (sheet[52 * row : 52 * row + 48, 160 + 7 * 52 : 208 + 7 * 52] == 80 * row).all()
        assert sheet[52 * row : 52 * row + 48, :150].min() < 255 or row == 1  # a name


def test_without_classes_images_stand_in_rows() -> None:
    split = Split.of(torch.zeros(20, 3, 60, 60, dtype=torch.uint8), torch.rand(20))
    sheet = np.asarray(draw_sheet(DataSplits(split, split, split, ("age",))))
    assert sheet.shape == (3 * 64, 160 + 8 * 64, 3)
    assert (sheet[:60, 160:220] == 0).all()
