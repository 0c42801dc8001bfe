"""NumPy archives by the names of their arrays; nothing is unpickled, and no memory is taken for what is not there."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nas.data.layouts.numpy_files import NumpyFiles
from nas.data.reading import Columns

PIXELS = np.arange(4 * 5 * 5 * 3, dtype=np.uint8).reshape(4, 5, 5, 3)
LABELS = np.array([0, 1, 0, 1])


@pytest.mark.parametrize("names", [("x_train", "y_train"), ("images", "labels"), ("X", "Y"), ("left", "breed")])
@pytest.mark.parametrize("arrays", [(PIXELS, LABELS), (PIXELS.transpose(0, 3, 1, 2), LABELS[:, None])])
def test_images_and_labels_by_their_usual_names(
    tmp_path: Path, names: tuple[str, str], arrays: tuple[NDArray[Any], NDArray[Any]]
) -> None:
    columns = Columns("left", ("breed",)) if names[0] == "left" else Columns()
    np.savez(tmp_path / "x.npz", **dict(zip(names, arrays, strict=True)))
    stored = NumpyFiles().read(tmp_path / "x.npz", columns)
    assert np.array_equal(np.stack(stored.train.read([0, 1, 2, 3])), PIXELS)
    assert stored.train.labels.values == LABELS.tolist()
    assert stored.test is None


def test_a_file_for_each_split(tmp_path: Path) -> None:
    for name in ("train", "test"):
        np.savez(tmp_path / f"{name}.npz", images=PIXELS, labels=LABELS)
    stored = NumpyFiles().read(tmp_path, Columns())
    assert (len(stored.train), stored.test and len(stored.test), stored.validation) == (4, 4, None)


def declare(shape: str, kind: str = "|u1", content: bytes = b"") -> bytes:
    """A file that declares an array and has another content."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            declare("(1000000000000,)"),
            r"array images of .* declares shape \(1000000000000,\) of uint8, and has 128 bytes",
        ),
        (declare("(4, -5, 5)"), "declares shape"),
        (declare("(4, 5, 5)", "|O"), "holds Python objects, which are never unpickled"),
        (declare("(" * 300), "must hold arrays, and 'images' is none"),
        (b"no array", "must hold arrays, and 'images' is none"),
        (declare("(4, 25)", content=bytes(100)), r"must be images of shape \(n, height, width\) or .*, got \(4, 25\)"),
        (declare("(3, 5, 5)", content=bytes(75)), "must have a label for each image, got 3 images and 4 labels"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path: Path, images: bytes, message: str) -> None:
    path = tmp_path / "x.npz"
    stream = io.BytesIO()
    np.save(stream, LABELS)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", images)
        file.writestr("labels.npy", stream.getvalue())
    with pytest.raises(ValueError, match=message):
        NumpyFiles().read(path, Columns())


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, images=PIXELS, labels=LABELS)
    whole = path.read_bytes()
    for damaged in (whole[:-200], b"", whole.replace(PIXELS.tobytes()[:9], b"\xff" * 9)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"not a readable .npz file|is damaged in array images|Bad CRC"):
            NumpyFiles().read(path, Columns())
    np.savez(path, pictures=PIXELS)
    with pytest.raises(ValueError, match="must have arrays x_train and y_train, or images and labels, got pictures"):
        NumpyFiles().read(path, Columns())


IMAGES, OTHERS = {"x_train": PIXELS, "x_test": PIXELS}, {"y_train": LABELS, "y_test": LABELS}
FINE = {"fine_train": LABELS + 2, "fine_test": LABELS + 4}


@pytest.mark.parametrize(
    ("arrays", "columns", "expected"),
    [
        (IMAGES | OTHERS | FINE, Columns(labels=("fine_train",)), (LABELS + 2, LABELS + 4)),
        (IMAGES | OTHERS | FINE, Columns("x_train", ("y_train", "fine_train")), ([0, 2], [0, 4])),
        ({"x_train": PIXELS, "fine": LABELS + 2}, Columns(labels=("fine",)), (LABELS + 2, None)),
        (
            {"mine_train": PIXELS, "y_train": LABELS, "mine_test": PIXELS} | OTHERS,
            Columns("mine_train"),
            (LABELS, LABELS),
        ),
        (
            IMAGES | OTHERS | {"fine": LABELS},
            Columns(labels=("fine",)),
            "has no array 'fine' .* for test; names with train",
        ),
        (IMAGES | OTHERS, Columns("x_tran"), r"has no array 'x_tran' \(data.input_column\), but x_train"),
        (IMAGES | OTHERS, Columns(labels=("y_train", "fin")), r"has no array 'fin' \(data.label_column\), but"),
        ({"left": PIXELS}, Columns("left"), "has no array of a usual name for data.label_column, but left"),
    ],
)
def test_named_arrays_are_those_of_all_splits(
    tmp_path: Path, arrays: dict[str, NDArray[Any]], columns: Columns, expected: Any
) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]  # its keyword allow_pickle is none of these
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            NumpyFiles().read(path, columns)
        return
    stored = NumpyFiles().read(path, columns)
    for part, labels in zip((stored.train, stored.test), expected, strict=True):
        assert (part is None) == (labels is None)
        if part is not None:
            several = len(columns.labels) > 1
            assert (part.labels.values[0] if several else part.labels.values) == list(labels)
