"""Decoded inputs are kept within a budget, and are those that would be decoded again."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from nas.data.decoding.image_decoder import ImageDecoder
from nas.data.inputs import StoredInputs
from nas.data.layouts.file_paths import FilePaths
from nas.data.layouts.parquet import read_parquet
from nas.data.layouts.records import FileRecords
from nas.data.reading import Columns
from nas.data.storage.cache import Cache, MappedInputs
from nas.tasks.task import RawLabels

BYTES = 30 * 3 * 8 * 8


@pytest.fixture
def stored(tmp_path: Path) -> StoredInputs:
    rng, paths = np.random.default_rng(0), []
    for number in range(30):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(stream, "png")
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(stream.getvalue())
    return StoredInputs(
        FileRecords(FilePaths.of(tmp_path, paths), RawLabels([0] * 30, str, "here")),
        ImageDecoder(8),
        torch.arange(29, -1, -1),
    )


def test_what_is_kept_is_what_is_decoded(stored: StoredInputs, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10**6)
    kept = cache.keep(stored)
    assert isinstance(kept, MappedInputs)
    rows = torch.tensor([3, 3, 29, 0])
    assert torch.equal(kept.read(), stored.read())
    assert torch.equal(pickle.loads(pickle.dumps(kept)).take(rows).read(), stored.take(rows).read())
    turned = cache.keep(stored.take(torch.arange(29, -1, -1)))  # in another order
    assert torch.equal(turned.read(), stored.read().flip(0))
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_cut_file_is_made_anew_and_changed_images_are_decoded_again(stored: StoredInputs, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10**6)
    cache.keep(stored)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:500])
    assert torch.equal(cache.keep(stored).read(), stored.read())
    paths = stored.records.files
    assert paths is not None
    paths[0].write_bytes(paths[1].read_bytes())
    os.utime(paths[0], ns=(1, 1))
    assert torch.equal(cache.keep(stored).read(), stored.read())


def test_the_budget_is_kept_and_what_was_not_used_for_a_day_makes_room(stored: StoredInputs, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    assert Cache(folder, BYTES - 1).keep(stored) is stored
    assert Cache().keep(stored) is stored
    cache = Cache(folder, BYTES + BYTES // 2)
    half = stored.take(slice(0, 15))
    cache.keep(stored)
    (first,) = folder.iterdir()
    other = StoredInputs(stored.records, ImageDecoder(8, 1), stored.rows)
    assert isinstance(cache.keep(other), StoredInputs | MappedInputs)
    assert first.exists()
    os.utime(first, (1, 1))
    assert isinstance(cache.keep(half), MappedInputs)
    assert not first.exists()
    assert sum(file.stat().st_size for file in folder.iterdir()) <= cache.budget_bytes


def test_columns_of_a_file_are_told_apart_and_blocks_are_those_of_the_source(tmp_path: Path) -> None:
    def encode(value: int) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(stream, "png")
        return stream.getvalue()

    cells = {"image": [encode(n) for n in range(30)], "mask": [encode(255 - n) for n in range(30)]}
    pd.DataFrame(cells | {"label": 0}).to_parquet(tmp_path / "a.parquet", row_group_size=10)
    rows, cache = torch.arange(30).flip(0), Cache(tmp_path / "cache", 10**6)
    for column, first in (("image", 29), ("mask", 226)):
        source = StoredInputs(read_parquet(tmp_path / "a.parquet", Columns(column)), ImageDecoder(8), rows)
        kept = cache.keep(source)
        assert isinstance(kept, MappedInputs)
        assert int(kept.read()[0, 0, 0, 0]) == first
        assert torch.equal(kept.blocks, source.blocks)  # type: ignore[arg-type]
        assert torch.equal(kept.spread(7).read(), source.spread(7).read())


def test_drafts_of_processes_that_were_killed_make_room(stored: StoredInputs, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    draft = folder / ".0.npy.123"
    draft.write_bytes(bytes(BYTES))
    os.utime(draft, (1, 1))
    assert isinstance(Cache(folder, BYTES).keep(stored), MappedInputs)
    assert not draft.exists()
