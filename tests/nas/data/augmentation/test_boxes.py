"""Boxes lie in the image, and have the areas and shapes that were asked for."""

from __future__ import annotations

import torch

from nas.data.augmentation.boxes import draw_boxes


def test_boxes_lie_within_and_have_the_shapes_that_are_asked_for() -> None:
    boxes = draw_boxes(2000, (200, 200), (0.1, 0.3), 2.0, torch.Generator().manual_seed(0))
    top, bottom, left, right = boxes.T
    height, width = bottom - top, right - left
    assert bool(((top >= 0) & (bottom <= 200) & (left >= 0) & (right <= 200)).all())
    area, ratio = height * width / 200**2, width / height
    assert 0.095 < float(area.min()) < 0.11
    assert 0.29 < float(area.max()) < 0.305
    assert 0.48 < float(ratio.min()) < 0.55
    assert 1.8 < float(ratio.max()) < 2.1
    assert int(top.min()) == int(left.min()) == 0
    assert int(bottom.max()) == int(right.max()) == 200


def test_the_smallest_box_is_a_pixel_and_the_largest_the_image() -> None:
    generator = torch.Generator().manual_seed(0)
    assert draw_boxes(5, (8, 8), (1.0, 1.0), 1.0, generator).unique(dim=0).tolist() == [[0, 8, 0, 8]]
    top, bottom, left, right = draw_boxes(50, (8, 8), (1e-9, 1e-9), 1.0, generator).T
    assert bool((bottom - top == 1).all() and (right - left == 1).all())
