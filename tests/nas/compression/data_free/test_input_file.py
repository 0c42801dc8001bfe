from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nas.compression.data_free.input_file import load_inputs, save_inputs
from nas.tensor_files import save_tensors


def test_inputs_are_read_as_they_were_written(tmp_path: Path) -> None:
    inputs = torch.randn(5, 3, 4, 4)
    save_inputs(tmp_path / "inputs.safetensors", inputs)
    assert torch.equal(load_inputs(tmp_path / "inputs.safetensors"), inputs)


@pytest.mark.parametrize(
    ("tensors", "header", "words"),
    [
        ({"inputs": torch.zeros(2, 3)}, {"format": "nas-network-2"}, "must hold inputs in format nas-inputs-1"),
        ({"others": torch.zeros(2, 3)}, {"format": "nas-inputs-1"}, "must hold inputs in format nas-inputs-1"),
        ({"inputs": torch.full((2, 3), torch.nan)}, {"format": "nas-inputs-1"}, "must be finite numbers"),
        ({"inputs": torch.zeros(2, 3, dtype=torch.int64)}, {"format": "nas-inputs-1"}, "must be finite numbers"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], header: dict[str, str], words: str
) -> None:
    save_tensors(tmp_path / "inputs.safetensors", tensors, header)
    with pytest.raises(ValueError, match=words):
        load_inputs(tmp_path / "inputs.safetensors")
