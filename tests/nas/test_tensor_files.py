"""Tensors and their header come back as they were; a file that is none is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas.tensor_files import open_tensors, save_tensors


def test_equal_tensors_give_equal_files(tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    tensors = {"weight": torch.arange(6.0).view(2, 3).t(), "bias": torch.zeros(2)}
    for path in (first, again):
        save_tensors(path, tensors, {"format": "some-1", "names": ["a", "b"]})
    assert first.read_bytes() == again.read_bytes()
    with open_tensors(first, "checkpoint") as (file, header):
        assert header == {"format": "some-1", "names": ["a", "b"]}
        assert all(torch.equal(file.get_tensor(name), tensor) for name, tensor in tensors.items())


def test_a_file_of_another_program_has_an_empty_header(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    with open_tensors(tmp_path / "foreign", "checkpoint") as (_, header):
        assert header == {}


def test_a_damaged_file_is_refused_by_what_it_should_hold(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="cannot read the checkpoint"), open_tensors(tmp_path / "broken", "checkpoint"):
        pass
