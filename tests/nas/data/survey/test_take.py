"""A survey says what a data set holds, from headers and hashes, and reads again only what has changed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nas.data.layouts.records import FileRecords
from nas.data.reading import Reading
from nas.data.sources import DataSource
from nas.data.survey.survey import Outputs, Survey
from nas.data.survey.take import take_survey


def write(root: Path, image: Image.Image, name: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    image.save(root / name)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """72 photos of two classes for training, 12 for testing; of different sizes and modes."""
    rng = np.random.default_rng(0)
    for number in range(84):
        split = "train" if number < 72 else "test"
        pixels = rng.integers(0, 256, (8, 8 + number % 2, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).convert("L" if number % 3 == 0 else "RGB")
        write(tmp_path / "data" / split / "ab"[number % 2], image, f"{number:02}.{'png' if number % 4 else 'jpg'}")
    return tmp_path / "data"


def test_counts_sizes_and_modes(photos: Path, tmp_path: Path) -> None:
    survey = take_survey(DataSource(str(photos)), tmp_path)
    assert survey.names == ("a", "b")
    counts = {name: outputs.counts for name, outputs in survey.splits.items()}
    assert [sum(part) for part in counts.values()] == [58, 14, 12]
    assert (survey.least, survey.median, survey.most, survey.sizes, survey.not_square) == (
        (8, 8),
        (8, 8),
        (9, 8),
        2,
        42,
    )
    assert sum(survey.kinds.values()) == 84
    assert set(survey.kinds) == {"PNG RGB", "PNG L", "JPEG RGB", "JPEG L"}
    assert survey.warnings == ()
    assert survey.side is None
    assert survey.describe_samples() == (
        "58 for training, 14 for validation, 12 for testing; 2 classes with 29 training samples each"
    )
    assert survey.describe_inputs().startswith(
        "images of 8x8 to 9x8 pixels, median 8x8, 42 of them not square; PNG RGB (42)"
    )
    assert Survey.from_json(survey.to_json()) == survey


def test_a_limit_is_what_is_surveyed(photos: Path, tmp_path: Path) -> None:
    survey = take_survey(DataSource(str(photos), limit=64), tmp_path)
    assert sum(survey.kinds.values()) == 64 + 12


def test_it_is_kept_until_a_file_changes(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = FileRecords.read
    monkeypatch.setattr(FileRecords, "read", lambda self, rows: read.extend(rows) or original(self, rows))
    source, kept = DataSource(str(photos)), tmp_path / "runs"
    first = take_survey(source, kept)
    assert len(read) == 84
    assert take_survey(source, kept) == first
    assert len(read) == 84
    (file,) = kept.iterdir()
    for damaged in ("", "{}", '{"names": 1}', "[" * 10_000):
        file.write_text(damaged)
        assert take_survey(source, kept) == first
    before = len(read)
    write(photos / "train" / "a", Image.new("RGB", (30, 8)), "00.jpg")
    source.arrange.__func__.__globals__["_arrange"].cache_clear()
    changed = take_survey(source, kept)
    assert changed.most == (30, 8)
    assert changed.contents != first.contents
    assert len(read) == before + 84


DARK = np.full((8, 8), 4000, np.uint16)


@pytest.mark.parametrize(
    ("values", "reading", "expected"),
    [
        (DARK, Reading(), ["90 images (TIFF I;16) use 2000 to 4000 of 0 to 65535, so they come out dark"]),
        (DARK / np.float32(1e6), Reading(), ["90 images (TIFF F) use 0.002 to 0.004 of 0 to 1, so they come out dark"]),
        (DARK, Reading(value_range=(0, 4095)), []),
        (DARK * np.uint16(16), Reading(), []),
    ],
)
def test_dark_images_are_said(tmp_path: Path, values: NDArray[Any], reading: Reading, expected: list[str]) -> None:
    for number in range(90):
        image = values.copy()
        image[0, 0] = values[0, 0] * (0.5 + number / 200)
        write(tmp_path / "data" / "ab"[number % 2], Image.fromarray(image), f"{number}.tif")
    warnings = take_survey(DataSource(str(tmp_path / "data"), reading=reading), tmp_path).warnings
    assert [
        line.partition(";")[0] if "I;16" not in line else ";".join(line.split(";")[:2]) for line in warnings
    ] == expected


def test_labels_of_other_tasks() -> None:
    outputs = {"train": Outputs(9, ranges=((0.0, 0.5, 1.0),)), "validation": Outputs(3), "test": Outputs(3)}
    survey = Survey(("age",), outputs, (8, 1), (9, 1), (12, 1), 3, 9, {"text": 15}, {})
    assert survey.describe_samples() == "9 for training, 3 for validation, 3 for testing; 1 outputs: age"
    assert survey.describe_inputs() == "texts of 8 to 12 characters, median 9"


def test_damaged_files_are_named(photos: Path, tmp_path: Path) -> None:
    (photos / "train" / "a" / "00.jpg").write_bytes(io.BytesIO(b"no image").getvalue())
    with pytest.raises(ValueError, match=r"00\.jpg is not a readable image"):
        take_survey(DataSource(str(photos)), tmp_path)
