"""Tensors and their header come back as they were; a file that is none is refused in one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas.tensor_files import find_misfits, read_header, read_tensors, save_tensors


def test_equal_tensors_give_equal_files(tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    tensors = {"weight": torch.arange(6.0).view(2, 3).t(), "bias": torch.zeros(2), "none": torch.zeros(0, 3)}
    for path in (first, again):
        save_tensors(path, tensors, {"format": "some-1", "names": ["a", "b"]})
    assert first.read_bytes() == again.read_bytes()
    found = read_tensors(first, "checkpoint", "delete it")
    assert found.has_digest
    assert found.header == read_header(first, "checkpoint", "delete it") == {"format": "some-1", "names": ["a", "b"]}
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in tensors.items())


def test_a_file_is_as_readable_to_others_as_any(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    save_tensors(tmp_path / "tensors", {"a": torch.zeros(1)}, {})
    assert (tmp_path / "tensors").stat().st_mode == (tmp_path / "any").stat().st_mode


def test_a_file_of_another_program_has_an_empty_header_and_no_digest(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    found = read_tensors(tmp_path / "foreign", "checkpoint", "delete it")
    assert (found.header, found.has_digest) == ({}, False)


def _declare(path: Path, length: int) -> None:
    path.write_bytes(length.to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[')


def _change_weight(path: Path) -> None:
    save_tensors(path, {"a": torch.zeros(4)}, {"step": 1})
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def _change_header(path: Path) -> None:
    save_tensors(path, {"a": torch.zeros(4)}, {"step": 1})
    path.write_bytes(path.read_bytes().replace(rb"\"step\": 1", rb"\"step\": 9"))


def _declare_tensor(dtype: str, shape: list[int], begin: int, end: int) -> Callable[[Path], object]:
    header = json.dumps({"a": {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}}).encode()
    return lambda path: path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"nonsense"), "header"),
        (lambda path: path.write_bytes(b""), "header"),
        (Path.mkdir, "it is a folder"),
        (os.mkfifo, "it is a pipe or a device"),
        (lambda path: _declare(path, 1 << 62), "a header has at most 33,554,432 bytes, and it says 4,611,686"),
        (lambda path: _declare(path, 30 << 20), "header"),
        (_declare_tensor("F32", [10**12], 0, 8), "cannot read"),
        (_declare_tensor("F32", [2**62, 2**62], 0, 8), "cannot read"),
        (_declare_tensor("F32", [2], 4, 12), "cannot read"),
        (_declare_tensor("F8_E8M0", [8], 0, 8), "tensor a is of type F8_E8M0, which is not read"),
        (lambda path: save_file({"a": torch.zeros(1)}, path, {"nas": "[" * 100_000}), "cannot read"),
        (lambda path: save_file({"a": torch.zeros(1)}, path, {"nas": "{"}), "cannot read"),
        (_change_weight, "not what was written"),
        (_change_header, "not what was written"),
    ],
)
def test_a_damaged_file_is_refused_by_what_it_should_hold(
    make: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    make(tmp_path / "broken")
    with pytest.raises(ValueError, match=r"cannot read the checkpoint .*broken: .*; delete it") as caught:
        read_tensors(tmp_path / "broken", "checkpoint", "delete it")
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_every_misfit_is_named() -> None:
    wanted = {"a": torch.zeros(2), "b": torch.zeros(2), "c": torch.zeros(1), "d": torch.zeros(3)}
    found = {
        "a": torch.zeros(2),
        "b": torch.tensor([0, float("nan")]),
        "d": torch.zeros(3, dtype=int),
        "e\n": wanted["a"],
    }
    assert find_misfits(wanted, found) == [
        "b holds numbers that are not finite",
        "c is missing",
        "d must be float32 of shape (3,), got int64 of shape (3,)",
        "'e\\n' is there besides",
    ]
