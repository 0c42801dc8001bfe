"""A box of noise in some images; the rest of them stays."""

from __future__ import annotations

import torch

from nas.data.augmentation.augmentation import ImageBatch
from nas.data.augmentation.erasing import RandomErasing


def test_a_share_of_the_images_gets_a_box_of_noise() -> None:
    grey = ImageBatch(torch.full((400, 3, 30, 30), 128, dtype=torch.uint8), torch.zeros(400))
    erased = RandomErasing(0.3, 0.1, 0.2, 1.0).apply(grey, 30, torch.Generator().manual_seed(0)).pixels
    changed = (erased != 128).any(1)
    chosen = changed.flatten(1).any(1)
    assert 90 < int(chosen.sum()) < 150
    areas = changed[chosen].float().mean((1, 2))
    assert 0.08 < float(areas.min()) <= float(areas.max()) < 0.22
    for image in changed[chosen]:
        rows, columns = image.any(1).nonzero(), image.any(0).nonzero()
        assert bool(image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].float().mean() > 0.99)
    assert 60 < float(erased[chosen][changed[chosen].unsqueeze(1).expand(-1, 3, -1, -1)].float().std()) < 80
