"""What an image has of another one, its label has of the other's."""

from __future__ import annotations

import pytest
import torch

from nas.data.augmentation.augmentation import Augmentation, ImageBatch
from nas.data.augmentation.mixing import CutMix, Mixup
from nas.tasks.classification import CLASSIFICATION
from nas.tasks.multi_label import MULTI_LABEL
from nas.tasks.regression import REGRESSION

# the value of all pixels of an image is its label
LABELS = torch.arange(0, 250, 10)
BATCH = ImageBatch(LABELS.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 20, 20), LABELS)


@pytest.mark.parametrize("augmentation", [Mixup(1.0), CutMix(1.0)])
def test_labels_have_the_shares_of_the_images(augmentation: Augmentation) -> None:
    weights = []
    for seed in range(20):
        mixed = augmentation.apply(BATCH, 20, torch.Generator().manual_seed(seed))
        assert mixed.mixture is not None
        weight, others = mixed.mixture.weight, mixed.mixture.other_labels
        weights.append(weight)
        expected = weight * LABELS + (1 - weight) * others
        assert torch.allclose(mixed.pixels.float().mean((1, 2, 3)), expected, atol=0.51)  # rounded to whole pixels
    assert max(weights) - min(weights) > 0.4


def test_cutmix_pastes_a_box_and_mixup_blends() -> None:
    pasted = CutMix().apply(BATCH, 20, torch.Generator().manual_seed(3))
    assert pasted.mixture is not None
    for image, own, other in zip(pasted.pixels, LABELS, pasted.mixture.other_labels, strict=True):
        assert set(image.unique().tolist()) <= {int(own), int(other)}
    blended = Mixup(1.0).apply(BATCH, 20, torch.Generator().manual_seed(3))
    assert all(len(image.unique()) == 1 for image in blended.pixels)


def test_a_share_of_the_batches_is_mixed_and_the_others_go_to_the_next() -> None:
    kinds = []
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        mixed = Mixup(share=0.5).apply(BATCH, 20, generator)
        both = CutMix().apply(mixed, 20, generator)
        kinds.append(mixed.mixture is not None)
        assert both.mixture is not None
        assert (both is mixed) == kinds[-1]  # at most one of them
    assert 15 < sum(kinds) < 45


def test_numbers_are_blended_but_not_cut() -> None:
    with pytest.raises(ValueError, match=r"cutmix is for labels that count by the area .* take mixup"):
        CutMix().check(3, REGRESSION)
    Mixup().check(3, REGRESSION)
    for task in (CLASSIFICATION, MULTI_LABEL):
        CutMix().check(3, task)
