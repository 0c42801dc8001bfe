"""Data sets are split once and for all, class by class; what is missing or damaged is named in one line."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from nas.data.sources import load_images
from nas.data.splits import DataSplits


def encoded(value: int, side: int = 8) -> bytes:
    """A PNG of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (value, 0, 255 - value)).save(stream, "png")
    return stream.getvalue()


def write_parquet(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame) -> Path:
    folder.mkdir()
    rows = pd.DataFrame({"image": [encoded(n) for n in range(150)], "label": [n % 3 for n in range(150)]})
    change(rows).to_parquet(folder / "train.parquet")
    rows.iloc[:30].to_parquet(folder / "test.parquet")
    return folder


def write_folder(folder: Path) -> Path:
    for number in range(180):
        path = folder / f"class{number % 3}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(number, side=6 + number % 5))
    return folder


def pixels(data: DataSplits) -> list[bytes]:
    return [image.numpy().tobytes() for part in (data.train, data.validation, data.test) for image in part.images]


def test_digits_are_split_into_disjoint_parts_always_the_same() -> None:
    first, again = load_images("digits"), load_images("digits")
    assert [len(part) for part in (first.train, first.validation, first.test)] == [1151, 287, 359]
    assert (first.channels, first.classes) == (1, 10)
    assert len(set(pixels(first))) == len(pixels(first)) == 1797
    assert pixels(first) == pixels(again)
    assert int(first.train.images.max()) == 255
    assert all(len(part.labels.unique()) == 10 for part in (first.train, first.validation, first.test))


def test_every_part_holds_every_class_in_its_share_and_another_seed_splits_otherwise() -> None:
    first, other = load_images("digits"), load_images("digits", split_seed=1)
    for data in (first, other):
        parts = [np.bincount(part.labels, minlength=10) for part in (data.test, data.validation, data.train)]
        everything = sum(parts)
        assert np.abs(parts[0] - 0.2 * everything).max() < 1
        assert np.abs(parts[1] - 0.2 * (everything - parts[0])).max() < 1
    assert set(pixels(first)) == set(pixels(other))
    assert not torch.equal(first.test.images, other.test.images)


def test_a_class_of_one_image_is_trained_on(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "data", lambda rows: rows.assign(label=[3, *rows["label"][1:]]))
    assert 3 in load_images(str(folder)).train.labels


def test_a_limit_leaves_the_test_set_alone() -> None:
    limited, whole = load_images("digits", limit=200), load_images("digits")
    assert [len(part) for part in (limited.train, limited.validation, limited.test)] == [160, 40, 359]
    assert torch.equal(limited.test.images, whole.test.images)
    assert set(pixels(limited)) < set(pixels(whole))
    assert len(set(pixels(limited))) == 559


def test_parquet_files_keep_their_test_set(tmp_path: Path) -> None:
    data = load_images(str(write_parquet(tmp_path / "data")), limit=130)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [104, 26, 30]
    assert data.classes == 3
    seen = [part.images[:, 0, 0, 0].tolist() for part in (data.train, data.validation)]
    assert set(seen[0] + seen[1]) < set(range(150))
    assert len(set(seen[0] + seen[1])) == 130
    assert data.test.images[:, 0, 0, 0].tolist() == list(range(30))
    assert all(torch.equal(part.images[:, 0, 0, 0] % 3, part.labels) for part in (data.train, data.validation))


@pytest.mark.parametrize("count", [0, 1, 40])
def test_too_few_images_are_refused(tmp_path: Path, count: int) -> None:
    folder = write_parquet(tmp_path / "data", lambda rows: rows.iloc[:count])
    with pytest.raises(ValueError, match=f"or more training images, got {count - count // 5}|holds no images"):
        load_images(str(folder))


def test_a_folder_per_class_is_resized_and_split(tmp_path: Path) -> None:
    data = load_images(str(write_folder(tmp_path / "data")), image_size=8)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [116, 28, 36]
    assert data.train.images.shape[1:] == (3, 8, 8)
    assert data.classes == 3
    values, labels = data.train.images[:, 0, 0, 0].long(), data.train.labels
    assert torch.equal(values % 3, labels)
    assert len(set(pixels(data))) == 180


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows.drop(columns="label"),
            r"must have a column label or .* or data.label_column names one; it has image",
        ),
        (lambda rows: rows.assign(image=[b"no image", *rows["image"][1:]]), "row 0 is not a readable image"),
        (lambda rows: rows.assign(image=[rows["image"][0][:40], *rows["image"][1:]]), "row 0 is not a readable image"),
        (lambda rows: rows.assign(image=[None, *rows["image"][1:]]), "row 0 is not a readable image"),
        (
            lambda rows: rows.assign(image=[encoded(0, side=9), *rows["image"][1:]]),
            r"must have one size and be .* got 9x9, and 8x8 in .* row 1",
        ),
        (
            lambda rows: rows.assign(label=rows["label"] - 1),
            "from 0 or names and below 1,000,000, got -1 in .*row 0",
        ),
        (
            lambda rows: rows.assign(label=pd.array([0, 1, None, *rows["label"][3:]], "Int64")),
            "class numbers from 0 or names, got none in .*row 2; remove the row, or give it a label",
        ),
        (
            lambda rows: rows.assign(label=[None, *rows["label"][1:]]),  # pandas makes them floats
            "class numbers from 0 or names, got none in .*row 0",
        ),
        (lambda rows: rows.assign(label=rows["label"] / 2), "class numbers from 0 or names, got float 0.0 in .*row 0"),
        (
            lambda rows: rows.assign(label=[*rows["label"][1:], 10_000_000]),
            "below 1,000,000, got 10000000 in .*row 149; renumber them",
        ),
    ],
)
def test_damaged_tables_are_refused(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load_images(str(write_parquet(tmp_path / "data", change)))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_what_they_are_called_are_refused(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "data")
    (folder / "train.parquet").write_bytes(b"image,label\n")
    with pytest.raises(ValueError, match=r"train\.parquet must be a Parquet file"):
        load_images(str(folder))
    photos = write_folder(tmp_path / "photos")
    (photos / "class1" / "zz.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"zz\.png is not a readable image"):
        load_images(str(photos), image_size=8)


def test_places_without_data_are_told_what_is_expected(tmp_path: Path) -> None:
    for place in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(
            ValueError, match=r"expected 'digits', .*a folder with train.parquet or .*, a folder with a sub-folder"
        ):
            load_images(str(place))
    (tmp_path / "class0").mkdir()
    with pytest.raises(ValueError, match="hold no images"):
        load_images(str(tmp_path))


def test_cifar10_is_read_as_published(reference_data: Path) -> None:
    data = load_images(str(reference_data / "cifar10"), limit=1000)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [800, 200, 10_000]
    assert data.train.images.shape[1:] == (3, 32, 32)
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    test = data.test.images.float() / 255
    assert test.mean((0, 2, 3)).tolist() == pytest.approx([0.4941, 0.4851, 0.4504], abs=5e-4)
    assert test.std((0, 2, 3)).tolist() == pytest.approx([0.2448, 0.2422, 0.2606], abs=5e-4)
