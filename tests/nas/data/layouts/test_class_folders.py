"""Folders of classes as people have them: with what systems and tools leave in them, and split or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data.layouts.class_folders import ClassFolders
from nas.data.reading import Columns, Reading
from nas.data.sources import DataSource, load_images


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
    for folder in ("__MACOSX/class0", "$RECYCLE.BIN", "class1/@eaDir/001.png"):
        (littered / folder).mkdir(parents=True)
        Image.new("L", (8, 8), 99).save(littered / folder / "thumbnail.png")
    found = load_images(str(littered))
    assert found.names == plain.names == ("class0", "class1", "class2")
    assert found.digest == plain.digest
    (note,) = ClassFolders().read(littered, Columns()).notes
    assert note.startswith("left out, as they are no images by name, or lie beside the folders of classes or splits")
    assert note.endswith(": 1 .csv, 1 .txt")


def test_images_that_are_not_read_are_counted(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "data", 6)
    for number, name in enumerate(("a.heic", "b.HEIC", "c.svg", "raw")):
        (folder / f"class{number % 2}" / name).touch()
    (folder / "loose.png").touch()
    (folder / "class0" / "lost.png").symlink_to(tmp_path / "gone.png")
    (note,) = ClassFolders().read(folder, Columns()).notes
    counted = note.partition(": ")[2].split(", ")
    assert set(counted) == {"2 .heic", "1 .svg", "1 without an end", "1 .png", "1 .png (links that lead nowhere)"}


def test_links_back_are_no_classes(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "data", 6)
    plain = ClassFolders().read(folder, Columns())
    (folder / "again").symlink_to(folder)
    (folder / "above").symlink_to(tmp_path)
    (folder / "class9").symlink_to(folder / "class0")  # a class that is kept elsewhere is one
    found = ClassFolders().read(folder, Columns())
    assert found.names == (*plain.names, "class9")


def rename(root: Path, *names: str, deeper: bool = False) -> Path:
    """Folders of other names, with images, or with folders of classes."""
    for name in names:
        (write_classes(root / name, 6) if deeper else write_classes(root / "made", 3).rename(root / name)).touch()
        for file in [] if deeper else list((root / name).rglob("*.png")):
            file.rename(root / name / file.name)
        for empty in [] if deeper else (root / name).iterdir():
            if empty.is_dir():
                empty.rmdir()
    return root


@pytest.mark.parametrize("names", [("car", "plane", "train"), ("car", "test_tube"), ("bullet_train", "cat", "dog")])
def test_a_class_may_be_named_as_a_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    stored = ClassFolders().read(rename(tmp_path, *names), Columns())
    assert stored.names == names
    assert "read as classes, though named as splits" in stored.notes[0]


@pytest.mark.parametrize(
    ("names", "deeper"),
    [
        (("train_set", "val", "test"), True),
        (("my_train", "my_test"), True),
        (("test",), True),
        (("test", "val", "other"), False),
        (("train_set", "test_set"), False),
    ],
)
def test_folders_that_seem_to_be_splits_are_no_classes(tmp_path: Path, names: tuple[str, ...], deeper: bool) -> None:
    with pytest.raises(ValueError, match="must have a folder train where others are named as splits, such as val"):
        ClassFolders().read(rename(tmp_path, *names, deeper=deeper), Columns())


def test_an_only_folder_stands_for_what_it_holds(tmp_path: Path) -> None:
    write_classes(tmp_path / "outer" / "photos", 6)
    assert ClassFolders().read(tmp_path, Columns()).names == ("class0", "class1", "class2")
    write_classes(tmp_path / "split" / "photos" / "train", 6)
    assert ClassFolders().read(tmp_path / "split", Columns()).names == ("class0", "class1", "class2")


@pytest.mark.parametrize("labelled", [True, False])
def test_splits_are_found_alike_with_and_without_labels(tmp_path: Path, labelled: bool) -> None:
    write_classes(tmp_path / "outer" / "photos" / "train", 10)
    write_classes(tmp_path / "outer" / "photos" / "test", 6)
    (tmp_path / "outer" / "photos" / "train" / "class0" / "a.heic").touch()
    (tmp_path / "outer" / "photos" / "loose.png").touch()
    stored = ClassFolders().read(tmp_path, Columns(labelled=labelled))
    assert stored.test is not None
    assert (len(stored.train), stored.validation, len(stored.test)) == (10, None, 6)
    assert [set(note.partition(": ")[2].split(", ")) for note in stored.notes] == [{"1 .heic", "1 .png"}]


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (("training_set", "test_set"), "must have a folder train"),
        (("val", "test"), "must have a folder train"),
        (("train", "val", "valid", "extra"), "either folders of classes or the splits"),
    ],
)
def test_unlabelled_splits_that_are_unclear_are_refused(tmp_path: Path, names: tuple[str, ...], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        ClassFolders().read(rename(tmp_path, *names), Columns(labelled=False))


@pytest.mark.parametrize("columns", [Columns("image"), Columns(labels=("breed",))])
def test_columns_that_nothing_has_are_refused(tmp_path: Path, columns: Columns) -> None:
    for source, what in ((str(write_classes(tmp_path, 6)), "folders of classes"), ("digits", "the digits")):
        with pytest.raises(ValueError, match=f"data.(input|label)_column names a column .*, and {what} have none, got"):
            DataSource(source, reading=Reading(columns)).arrange()


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
