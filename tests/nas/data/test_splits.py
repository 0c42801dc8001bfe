"""Splits of a data set, and the digest of all of them."""

from __future__ import annotations

import torch

from nas.data.splits import DataSplits, Split

NAMES = tuple(map(str, range(40)))
PIXELS = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IMAGES = Split.of(PIXELS, torch.arange(40))


def test_equal_data_have_equal_digests() -> None:
    data = DataSplits(IMAGES, IMAGES, IMAGES, NAMES)
    assert data.digest == DataSplits(IMAGES.take(slice(None)), IMAGES, IMAGES, NAMES).digest
    others = [
        DataSplits(IMAGES.take(slice(0, 39)), IMAGES, IMAGES, NAMES),
        DataSplits(IMAGES, IMAGES, Split.of(PIXELS, IMAGES.labels.flip(0)), NAMES),
        DataSplits(IMAGES, Split.of(255 - PIXELS, IMAGES.labels), IMAGES, NAMES),
        DataSplits(IMAGES, IMAGES, IMAGES, tuple(f"digit {name}" for name in NAMES)),
    ]
    assert len({data.digest, *(other.digest for other in others)}) == 5
