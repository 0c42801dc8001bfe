"""Inputs that are stored give what inputs in memory give."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from nas.data.decoding.image_decoder import ImageDecoder
from nas.data.inputs import StoredInputs, TensorInputs
from nas.data.layouts.records import ArrayRecords
from nas.tasks.task import RawLabels

PIXELS = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), dtype=np.uint8)
RECORDS = ArrayRecords(PIXELS, RawLabels([0] * 300, str, "here"))


def test_stored_inputs_are_decoded_when_they_are_read() -> None:
    stored = StoredInputs(RECORDS, ImageDecoder(8), torch.arange(299, -1, -1))
    memory = TensorInputs(torch.from_numpy(PIXELS).permute(0, 3, 1, 2).flip(0))
    assert (stored.shape, len(stored)) == (memory.shape, len(memory)) == ((3, 8, 8), 300)
    assert torch.equal(stored.read(), memory.read())
    for rows in (slice(3, 9), slice(0, 0), torch.tensor([7, 0, 7])):
        assert torch.equal(stored.take(rows).read(), memory.take(rows).read())


def test_other_content_and_other_decoding_give_other_hashes() -> None:
    def digest(inputs: StoredInputs | TensorInputs) -> str:
        found = hashlib.sha256()
        inputs.update(found)
        return found.hexdigest()

    rows = torch.arange(300)
    stored = StoredInputs(RECORDS, ImageDecoder(8), rows)
    others = [
        StoredInputs(RECORDS, ImageDecoder(8), rows.flip(0)),
        StoredInputs(RECORDS, ImageDecoder(16), rows),
        StoredInputs(ArrayRecords(255 - PIXELS, RECORDS.labels), ImageDecoder(8), rows),
    ]
    assert digest(stored) == digest(StoredInputs(RECORDS, ImageDecoder(8), rows))
    assert len({digest(stored), *map(digest, others)}) == 4
