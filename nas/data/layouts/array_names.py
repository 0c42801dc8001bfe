"""Which arrays of an archive are the images and the labels of a split, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.data.reading import Columns
from search_spaces.quoting import quote

SPLIT_ARRAYS = {  # usual names of the arrays of images and of labels, by split; the first pair that is there counts
    "train": (("x_train", "y_train"), ("train_images", "train_labels"), ("images", "labels"), ("x", "y")),
    "validation": (("x_val", "y_val"), ("val_images", "val_labels"), ("x_valid", "y_valid")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}
_WORDS = {"train": (), "validation": ("val", "valid", "validation"), "test": ("test",)}


def choose_arrays(
    path: Path, names: Sequence[str], split: str, columns: Columns, *, alone: bool = False
) -> tuple[str, tuple[str, ...]] | None:
    """The arrays of images and of labels of a split.

    Names that a job states are those of training arrays: `fine_train` stands for `fine_test` in the test split. Where
    only images or only labels are named, the others are those of a usual name.

    Args:
        path: The archive, for messages.
        names: The arrays in it.
        split: `train`, `validation` or `test`.
        columns: The arrays that a job names.
        alone: Whether the archive is of this split alone, so that names need not tell it.

    Returns:
        The arrays of images and of labels, which are none where labels are not read; None if the archive has none of
        this split.

    Raises:
        ValueError: If an array that a job names is missing, or the training arrays are.
    """
    by_name = {name.lower(): name for name in reversed(names)}
    usual = SPLIT_ARRAYS[split] + (SPLIT_ARRAYS["train"] if alone and split != "train" else ())
    if not columns.labelled:
        images = next((by_name[pair[0]] for pair in usual if pair[0] in by_name), None)
        images = images if columns.inputs is None else _find(columns.inputs, names, split, alone)
        if images is None and split == "train":
            lacking = f"array {quote(columns.inputs)} (data.input_column)" if columns.inputs else "x_train or images"
            raise ValueError(f"{path} must have {lacking}, got {', '.join(names)}")
        return None if images is None else (images, ())
    if columns.inputs is None and not columns.labels:
        pairs = [(by_name[pair[0]], (by_name[pair[1]],)) for pair in usual if all(name in by_name for name in pair)]
        if not pairs and split == "train":
            raise ValueError(
                f"{path} must have arrays x_train and y_train, or images and labels, got {', '.join(names)}"
            )
        return pairs[0] if pairs else None
    images, labels = (next((by_name[pair[n]] for pair in usual if pair[n] in by_name), None) for n in range(2))
    own = images if columns.inputs is None else _find(columns.inputs, names, split, alone)
    found = [("data.input_column", columns.inputs, own)]
    found += [("data.label_column", name, _find(name, names, split, alone)) for name in columns.labels]
    if not columns.labels:
        found.append(("data.label_column", None, labels))
    if split != "train" and not alone and not any((images, labels, *(array for _, _, array in found))):
        return None
    for key, name, array in found:
        if array is None:
            lacking = f"array {quote(name)} ({key})" if name else f"array of a usual name for {key}"
            hint = "" if split == "train" else f" for {split}; names with train stand for those with {split}"
            raise ValueError(f"{path} has no {lacking}{hint}, but {', '.join(names)}")
    inputs, *others = [array for _, _, array in found if array is not None]
    return inputs, tuple(others)


def _find(name: str, names: Sequence[str], split: str, alone: bool) -> str | None:
    """The array of a split that is meant by the name of one of the training arrays."""
    own = [name] if split == "train" or alone else []
    own += [name.replace("train", word) for word in _WORDS[split] if "train" in name]
    return next((one for one in own if one in names), None)
