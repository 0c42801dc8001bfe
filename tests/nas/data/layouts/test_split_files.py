"""Files and folders are splits by their names, and parts that lack are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.data.layouts.split_files import find_split_files

END = (".parquet",)


def make(root: Path, *names: str) -> Path:
    for name in names:
        path = root / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train", "test"), {"train": 1, "test": 1}),
        (("data/train-00000-of-00002", "data/train-00001-of-00002-0a1b", "data/validation-00000-of-00001"), (2, 1)),
        (("plain_text/train_0", "plain_text/train_1", "plain_text/dev.v2"), (2, 1)),
        (("train/0000", "train/0001", "val/0000"), (2, 1)),
        (("part-0", "part-1"), {"train": 2}),
        (("train_labels", "test-labels", "val.2024"), {"train": 1, "validation": 1, "test": 1}),
        (("cifar_train", "devices_trainset"), {"train": 2}),
    ],
)
def test_names_tell_the_split(tmp_path: Path, names: tuple[str, ...], expected: object) -> None:
    found = find_split_files(make(tmp_path, *names), END)
    sizes = {name: len(files) for name, files in found.files.items()}
    assert sizes == (expected if isinstance(expected, dict) else {"train": 2, "validation": 1})
    assert found.notes == ()


def test_a_file_is_all_that_there_is(tmp_path: Path) -> None:
    file = make(tmp_path, "mine") / "mine.parquet"
    assert find_split_files(file, END).files == {"train": (file,)}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("train-00000-of-00003", "train-00002-of-00003"), "all 3 parts of .* lacks number 00001$"),
        (("train-00000-of-99999",), "lacks number 00001 and 99997 more"),
        (("test", "extra"), "must have files for training, such as train.parquet, got extra.parquet, test.parquet"),
        (("my_train", "my_test"), "must begin with the name of their split .*, got my_test.parquet, my_train.parquet"),
        (("photos", "photos_testset"), "must begin with the name of their split"),
        (("trainLabels", "testLabels"), "must begin with the name of their split"),
        (("sample", "train/0", "test/0"), "in one place, got sample.parquet and test/0.parquet and 1 more"),
        (("sample", "data/train-0"), "in one place, got sample.parquet and data/train-0.parquet"),
    ],
)
def test_incomplete_sets_are_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_split_files(make(tmp_path, *names), END)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    (note,) = find_split_files(make(tmp_path, "train", "unsupervised", ".hidden"), END).notes
    assert note == "left out, as no name of a split begins the name: unsupervised.parquet"
    (inside,) = find_split_files(make(tmp_path / "levels", "train", "test", "train/0"), END).notes
    assert inside == "left out, as files of splits are beside their folders: train/0.parquet"
    (gap,) = find_split_files(make(tmp_path / "gap", "train-000", "train-002"), END).notes
    assert gap == "no file train-1, though later numbers are there"
