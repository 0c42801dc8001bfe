"""Folders of classes as people have them: with what systems and tools leave in them, and split or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data.sources import load_images


def write_classes(root: Path, count: int = 60, start: int = 0) -> Path:
    """Images of three classes, whose colour tells the class."""
    for number in range(start, start + count):
        path = root / f"class{number % 3}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 80 * (number % 3), np.uint8)).save(path)
    return root


def test_hidden_folders_and_what_systems_leave_are_skipped(tmp_path: Path) -> None:
    plain = load_images(str(write_classes(tmp_path / "plain", 90)))
    littered = write_classes(tmp_path / "littered", 90)
    (littered / ".ipynb_checkpoints").mkdir()
    (littered / ".ipynb_checkpoints" / "a.png").write_bytes(b"")
    (littered / "class0" / ".cache").mkdir()
    (littered / "class0" / ".cache" / "b.png").write_bytes(b"")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._001.png", "notes.txt", "labels.csv"):
        (littered / "class1" / name).write_bytes(b"\0\1")
    (littered / "README.md").write_text("from a camera")
    found = load_images(str(littered))
    assert found.names == plain.names == ("class0", "class1", "class2")
    assert found.digest == plain.digest


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "data", 90)
    (folder / "class1" / "broken.png").write_bytes(b"\0" * 9)
    with pytest.raises(ValueError, match=r"broken\.png is not a readable image"):
        load_images(str(folder))


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid", "test"), ("train", "dev")])
def test_folders_of_splits_are_the_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        write_classes(tmp_path / name, (90, 12, 15)[number], start=300 * number)
    data = load_images(str(tmp_path))
    sizes = [len(part) for part in (data.train, data.validation, data.test)]
    assert sizes == ([90, 12, 15] if len(names) == 3 else [72, 12, 18])
    for part in (data.train, data.validation, data.test):
        assert (part.images[:, 0, 0, 0] == 80 * part.labels).all()
        assert len(part.labels[:6].unique()) > 1  # in no order of classes


def test_a_class_of_the_test_images_must_be_trained(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", 90)
    write_classes(tmp_path / "test", 30)
    (tmp_path / "test" / "class2").rename(tmp_path / "test" / "cat")
    with pytest.raises(ValueError, match="every class must have training samples, and 1 of 4 have none: 'cat'"):
        load_images(str(tmp_path))


def test_splits_beside_classes_are_refused(tmp_path: Path) -> None:
    write_classes(tmp_path)
    write_classes(tmp_path / "train")
    with pytest.raises(ValueError, match="either folders of classes or the splits train, val and test, got both"):
        load_images(str(tmp_path))


def test_a_file_that_no_image_can_be_is_not_taken_into_memory(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "data", 90)
    with (folder / "class0" / "huge.png").open("wb") as file:
        file.truncate(2 << 30)  # without a block on disk
    with pytest.raises(
        ValueError, match=r"huge\.png has 2,147,483,648 bytes; a file of its kind has 1,073,741,824 at most"
    ):
        load_images(str(folder))
