"""Data sets of a user's code: what they may give, and who is named when they are wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.data.layouts.user_dataset import read_user_dataset

TEMPLATE = """
import numpy as np, torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset
class Small(Dataset):
    def __len__(self):
        return 3
    def __getitem__(self, row):
        return {image}, {label}
    {more}
def make():
    return {made}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a module with a data set; gives the reference."""
    monkeypatch.chdir(tmp_path)

    def write(image: str = "np.full((4, 4), row)", label: str = "row", more: str = "", made: str = "Small()") -> str:
        name = f"mine_{tmp_path.name}_{len(list(tmp_path.iterdir()))}"
        (tmp_path / f"{name}.py").write_text(TEMPLATE.format(image=image, label=label, more=more, made=made))
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
        return f"{name}:make"

    return write


@pytest.mark.parametrize("made", ["Small()", "torch.rand(3, 3, 4, 5)"])
def test_labels_are_left_aside(write: Callable[..., str], made: str) -> None:
    found = read_user_dataset(write("torch.full((3, 4, 5), row / 9)", "torch.rand(1)", made=made), labelled=False)
    (stored,) = found.train.read([2])
    assert isinstance(stored, np.ndarray)
    assert stored.shape == (4, 5, 3)
    assert not any(found.train.labels.values)


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        ("torch.full((3, 4, 5), row / 9)", (4, 5, 3)),
        ("torch.full((4, 5), row)", (4, 5)),
        ("np.full((4, 5, 3), row, np.uint8)", (4, 5, 3)),
        ("Image.new('RGB', (5, 4), (row, 0, 0))", (4, 5, 3)),
        ("Image.new('I;16', (5, 4), 300 * row)", (4, 5)),
        ("Image.new('CMYK', (5, 4), (row, 0, 0, 0))", bytes),
        ("Image.new('P', (5, 4), row)", bytes),
    ],
)
def test_images_of_every_kind(write: Callable[..., str], image: str, shape: object) -> None:
    records = read_user_dataset(write(image)).train
    stored = records.read([2])[0]
    assert isinstance(stored, bytes) if shape is bytes else stored.shape == shape
    assert records.labels.values == [0, 1, 2]


@pytest.mark.parametrize(
    ("more", "label", "expected"),
    [
        ("targets = [5, 6, 7]", "row + 5", [5, 6, 7]),
        ("targets = torch.tensor([5, 6, 7])", "row + 5", [5, 6, 7]),
        ("targets = [5, 6, 7]", "torch.tensor(row)", [0, 1, 2]),  # a transform of targets: samples say what is learnt
        ("labels = 'abc'", "'abc'[row]", ["a", "b", "c"]),
        ("", "(row, 0.5)", [[0, 0.5], [1, 0.5], [2, 0.5]]),
    ],
)
def test_labels_are_those_of_the_samples(
    write: Callable[..., str], more: str, label: str, expected: list[object]
) -> None:
    assert read_user_dataset(write(label=label, more=more)).train.labels.values == expected


def test_splits_and_names_of_classes(write: Callable[..., str]) -> None:
    stored = read_user_dataset(write(more="classes = ['a', 'b', 'c']", made="{'train': Small(), 'val': Small()}"))
    assert stored.names == ("a", "b", "c")
    assert stored.validation is not None
    assert stored.test is None
    assert np.array_equal(stored.validation.read([1])[0], np.full((4, 4), 1))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"image": "1 / 0"}, r"raised ZeroDivisionError at mine.*\.py:9: division by zero"),
        ({"made": "1 / 0"}, r"raised ZeroDivisionError at mine.*\.py:12"),
        ({"made": "[][0]"}, r"raised IndexError at mine.*\.py:12"),
        (
            {"made": "type('Stream', (IterableDataset,), {'__iter__': iter})()"},
            "must return a map-style torch Dataset, .* got Stream",
        ),
        ({"made": "7"}, "must return a map-style torch Dataset, .* got int"),
        ({"made": "{'left': Small()}"}, "must return splits train, validation and test, got left"),
        ({"made": "{'train': Small(), 'extra': Small()}"}, "must return splits .*, got train, extra"),
        ({"made": "[]"}, "gives no samples for train"),
        ({"image": "np.random.rand(4, 4)"}, r"train\[0\] differs when it is read again; leave random transforms out"),
        ({"image": "np.random.randint(0, 2, (2, 2))"}, r"train\[\d\] differs when it is read again"),
        ({"image": "'a.png'"}, r"train\[0\] must be an image of Pillow, an array or a tensor, got str"),
        ({"label": "row, 1"}, r"must give pairs \(image, label\), got tuple at 0"),
    ],
)
def test_what_is_wrong_is_named(write: Callable[..., str], parts: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_user_dataset(write(**parts))


def test_a_random_flip_of_few_samples_is_found(write: Callable[..., str]) -> None:
    flip = "np.eye(4)[:, ::np.random.choice([-1, 1])]"
    for _ in range(5):
        with pytest.raises(ValueError, match="differs when it is read again; leave random transforms out"):
            read_user_dataset(write(flip, made="torch.utils.data.ConcatDataset([Small()] * 9)"))


def test_a_wrong_label_of_targets_is_found_when_its_sample_is_read(write: Callable[..., str]) -> None:
    more = "targets = list(range(90))\n    def __len__(self): return 90"
    records = read_user_dataset(write(label="row if row != 41 else 7", more=more)).train
    assert len(records.read(range(40))) == 40
    with pytest.raises(ValueError, match=r"train\[41\] has label 7, and 41 when labels were listed"):
        records.read([40, 41])
