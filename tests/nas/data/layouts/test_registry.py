"""The same pictures and labels in every layout are the same data: splits, pixels, classes, and digest."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nas.data.layouts.registry import LAYOUTS, read_path
from nas.data.reading import Columns, Reading
from nas.data.sources import DataSource
from nas.data.splits import DataSplits
from nas.data.survey.take import take_survey

SIDE = 6
NAMES = ("bird", "cat", "dog")
SIZES = {"train": 60, "validation": 9, "test": 12}


def draw(split: str) -> list[tuple[bytes, NDArray[np.uint8], int]]:
    """The samples of a split: a PNG file, its pixels, and the number of its class."""
    rng = np.random.default_rng(list(SIZES).index(split))
    samples = []
    for number in range(SIZES[split]):
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "png")
        samples.append((stream.getvalue(), pixels, number % 3))
    return samples


SAMPLES = {split: draw(split) for split in SIZES}


def rows(split: str) -> Iterator[tuple[int, bytes, str]]:
    for number, (png, _, label) in enumerate(SAMPLES[split]):
        yield number, png, NAMES[label]


def class_folders(root: Path) -> None:
    for split in SIZES:
        for number, png, name in rows(split):
            path = root / split / name / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png)


def parquet(root: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for split in SIZES:
        table = {"image": [png for _, png, _ in rows(split)], "label": [name for _, _, name in rows(split)]}
        pq.write_table(pa.table(table), root / f"{split}.parquet")


def parquet_of_hugging_face(root: Path) -> None:
    """Shards in `data/`, structs of bytes and path, numbers of classes, and their names in the metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (root / "data").mkdir()
    features = {"img": {"_type": "Image"}, "fine_label": {"_type": "ClassLabel", "names": list(NAMES)}}
    for split in SIZES:
        cells = [{"bytes": png, "path": f"{number}.png"} for number, png, _ in rows(split)]
        table = pa.table({"img": cells, "fine_label": [label for _, _, label in SAMPLES[split]]})
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        for part in range(3):
            third = len(cells) // 3
            name = f"{split}-{part:05}-of-00003.parquet"
            pq.write_table(table.slice(part * third, third), root / "data" / name, row_group_size=7)


def saved_dataset(root: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))})
    parts = {}
    for split in SIZES:
        cells = [{"bytes": png, "path": None} for _, png, _ in rows(split)]
        content = {"image": cells, "label": [label for _, _, label in SAMPLES[split]]}
        parts[split] = datasets.Dataset.from_dict(content, features=features)
    datasets.DatasetDict(parts).save_to_disk(str(root / "saved"))


def tar_shards(root: Path) -> None:
    for split in SIZES:
        half = SIZES[split] // 2
        for part in range(2):
            with tarfile.open(root / f"{split}-{part:06}.tar", "w") as tar:
                for number, png, name in list(rows(split))[part * half : half if part == 0 else None]:
                    for end, content in (("png", png), ("cls", f"{name}\n".encode())):
                        info = tarfile.TarInfo(f"../photos/{number:06}.{end}")
                        info.size = len(content)
                        tar.addfile(info, io.BytesIO(content))


def numpy_file(root: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {}
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        arrays[f"{name}_images"] = np.stack([pixels for _, pixels, _ in SAMPLES[split]])
        arrays[f"{name}_labels"] = np.array([[NAMES[label]] for _, _, label in SAMPLES[split]])
    np.savez_compressed(root / "medmnist.npz", **arrays)


def table(root: Path, suffix: str = ".csv") -> None:
    separator = "\t" if suffix == ".tsv" else ","
    (root / "photos").mkdir()
    for split in SIZES:
        lines = [separator.join(("path", "label"))]
        for number, png, name in rows(split):
            path = root / "photos" / f"{split}, {number}.png"
            path.write_bytes(png)
            cell = f"photos/{path.name}" if number % 2 else str(path)
            lines.append(separator.join((f'"{cell}"', name)))
        (root / f"{split}{suffix}").write_text("\n".join(lines))


def json_lines(root: Path) -> None:
    table(root)
    for split in SIZES:
        (root / f"{split}.csv").unlink()
        found = [{"file_name": f"photos/{split}, {number}.png", "label": name} for number, _, name in rows(split)]
        (root / f"{split}.jsonl").write_text("\n".join(map(json.dumps, found)))


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "class folders": ("class_folders", class_folders),
    "Parquet": ("parquet", parquet),
    "Parquet of Hugging Face": ("parquet", parquet_of_hugging_face),
    "datasets.save_to_disk": ("saved_datasets", saved_dataset),
    "WebDataset": ("tar_shards", tar_shards),
    "MedMNIST": ("numpy_files", numpy_file),
    "CSV": ("tables", table),
    "TSV": ("tables", lambda root: table(root, ".tsv")),
    "JSON lines": ("tables", json_lines),
}


def check(data: DataSplits) -> None:
    assert data.names == NAMES
    for split, part in zip(SIZES, (data.train, data.validation, data.test), strict=True):
        seen = [
            (image.permute(1, 2, 0).numpy().tobytes(), int(label))
            for image, label in zip(part.images, part.labels, strict=True)
        ]
        assert sorted(seen) == sorted((pixels.tobytes(), label) for _, pixels, label in SAMPLES[split])
    assert len(data.train.labels[:9].unique()) == 3  # in no order of classes


def test_every_layout_is_written_here() -> None:
    assert {layout for layout, _ in WRITERS.values()} == set(LAYOUTS)


@pytest.mark.parametrize("kind", WRITERS)
def test_the_same_samples_are_the_same_data(kind: str, tmp_path: Path) -> None:
    layout, write = WRITERS[kind]
    write(tmp_path)
    root = next(tmp_path.iterdir()) if kind in ("datasets.save_to_disk", "MedMNIST") else tmp_path
    assert LAYOUTS[layout].recognizes(root)
    source = DataSource(str(root))
    check(source.load())
    stored = LAYOUTS[layout].read(root, source.reading.columns)
    assert stored.validation is not None
    assert stored.test is not None
    for split, records in (("train", stored.train), ("validation", stored.validation), ("test", stored.test)):
        order = [SIZES[split] - 1, 0, 0, 7]  # any order, and a row twice, as from another process
        read = [records.read([row])[0] for row in order]
        assert all(np.array_equal(one, other) for one, other in zip(records.read(order), read, strict=True))
        assert str(tmp_path) in records.where(3)


def strip_folders(root: Path) -> None:
    for path in sorted(root.rglob("*.png")):
        path.rename(path.parents[1] / f"{path.parent.name}{path.name}")
    for name in NAMES:
        for empty in list(root.rglob(name)):
            empty.rmdir()


def strip_parquet(root: Path) -> None:
    import pyarrow.parquet as pq

    for path in root.rglob("*.parquet"):
        stored = pq.read_table(path)
        pq.write_table(stored.drop_columns(stored.column_names[-1]), path)


def strip_tar(root: Path) -> None:
    for path in root.glob("*.tar"):
        with tarfile.open(path) as tar:
            kept = [(one, tar.extractfile(one).read()) for one in tar if one.name.endswith("png")]  # type: ignore[union-attr]
        with tarfile.open(path, "w") as tar:
            for one, content in kept:
                tar.addfile(one, io.BytesIO(content))


def strip_arrays(root: Path) -> None:
    (path,) = root.iterdir()
    arrays = {name: array for name, array in np.load(path).items() if "labels" not in name}
    np.savez_compressed(path, **arrays)


def strip_lines(root: Path) -> None:
    for path in root.glob("*.csv"):
        path.write_text("\n".join(line.rpartition(",")[0] for line in path.read_text().split("\n")))


STRIPPERS: dict[str, Callable[[Path], None]] = {
    "class folders": strip_folders,
    "Parquet": strip_parquet,
    "Parquet of Hugging Face": strip_parquet,
    "WebDataset": strip_tar,
    "MedMNIST": strip_arrays,
    "CSV": strip_lines,
}


@pytest.mark.parametrize("kind", [*WRITERS, *(f"{kind} without labels" for kind in STRIPPERS)])
def test_labels_need_not_be_there_and_are_left_aside(kind: str, tmp_path: Path) -> None:
    kind, strip, _ = kind.partition(" without labels")
    WRITERS[kind][1](tmp_path)
    if strip:
        STRIPPERS[kind](tmp_path)
    root = next(tmp_path.iterdir()) if kind in ("datasets.save_to_disk", "MedMNIST") else tmp_path
    source = DataSource(str(root), reading=Reading(Columns(labelled=False)))
    data = source.load()
    assert (data.labelled, data.names, data.train.labels.shape) == (False, (), (SIZES["train"], 0))
    for split, part in zip(SIZES, (data.train, data.validation, data.test), strict=True):
        seen = sorted(image.permute(1, 2, 0).numpy().tobytes() for image in part.images)
        assert seen == sorted(pixels.tobytes() for _, pixels, _ in SAMPLES[split])
    assert "without labels" in take_survey(source, tmp_path / "kept").describe_samples()


def test_images_alone_are_no_classes(tmp_path: Path) -> None:
    class_folders(tmp_path)
    strip_folders(tmp_path)
    with pytest.raises(ValueError, match="for images without labels state data"):
        read_path(tmp_path / "train", Columns())


def test_a_data_set_of_a_users_code_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path / "photos")
    (tmp_path / "my_photos.py").write_text(
        "from pathlib import Path\n"
        "from PIL import Image\n"
        "class Photos:\n"
        f"    classes = {list(NAMES)}\n"
        "    def __init__(self, root):\n"
        "        self.paths = sorted(root.rglob('*.png'))\n"
        "    def __len__(self):\n"
        "        return len(self.paths)\n"
        "    def __getitem__(self, row):\n"
        "        return Image.open(self.paths[row]), self.classes.index(self.paths[row].parent.name)\n"
        "def make():\n"
        "    root = Path(__file__).parent / 'photos'\n"
        "    return {split: Photos(root / split) for split in ('train', 'validation', 'test')}\n"
    )
    monkeypatch.chdir(tmp_path)
    check(DataSource("digits", dataset="my_photos:make").load())
    sys.modules.pop("my_photos")


def test_without_its_library_a_saved_data_set_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataset_dict.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"pip install .*\[datasets\]"):
        DataSource(str(tmp_path)).load()


def add_list(root: Path, name: str = "list.csv", count: int = 1, header: str = "path,label") -> None:
    files = sorted(file.relative_to(root) for file in root.rglob("*.png"))
    (root / name).write_text("\n".join([header, *(f"{file},{file.parent.name}" for file in files[:count])]))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        ((class_folders, parquet), "got those of 2: .*train.parquet.*; a folder with a sub-folder of images"),
        ((class_folders, add_list), "folders of classes with 81 images and a table with 1 of them, list.csv; move one"),
        ((parquet, numpy_file), "data of one layout, got those of 2: a folder with train.parquet .*; an .npz file"),
        ((tar_shards, table), "data of one layout, got those of 2"),
    ],
)
def test_data_of_two_layouts_are_refused(
    tmp_path: Path, write: tuple[Callable[[Path], None], ...], message: str
) -> None:
    for one in write:
        one(tmp_path)
    with pytest.raises(ValueError, match=message) as refused:
        read_path(tmp_path, Columns())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "count", "header", "size", "note"),
    [
        ("list.csv", 81, "path,label", 81, None),
        ("list.csv", 60, "path,label", 60, "images in folders beside the tables that are in no row: 21"),
        ("train.csv", 3, "path,label", 3, "images in folders beside the tables that are in no row: 78"),
        ("list.csv", 3, "camera,price", 60, "left out, as they have no columns of samples: list.csv"),
    ],
)
def test_a_clear_choice_is_made_and_said(
    tmp_path: Path, name: str, count: int, header: str, size: int, note: str | None
) -> None:
    class_folders(tmp_path)
    add_list(tmp_path, name, count, header)
    stored = read_path(tmp_path, Columns())
    assert len(stored.train) == size
    assert stored.notes == (() if note is None else (note,))
