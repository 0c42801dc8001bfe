"""Distilled inputs as a safetensors file, which is made once and read by all that calibrate by them."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from nas.tensor_files import read_tensors, save_tensors
from search_spaces.quoting import quote

_FORMAT = "nas-inputs-1"
_NAME = "inputs"
_REMEDY = "delete it, then: nas train JOB"


def save_inputs(path: Path, inputs: Tensor) -> None:
    """Writes inputs of a network atomically.

    Args:
        path: The file.
        inputs: Shape (n, ...).
    """
    save_tensors(path, {_NAME: inputs}, {"format": _FORMAT})


def load_inputs(path: Path) -> Tensor:
    """Reads inputs that `save_inputs` wrote, shape (n, ...).

    Args:
        path: The file.

    Raises:
        ValueError: If the file is damaged, of another format, or a number in it is not finite.
        OSError: If the file is missing or cannot be read.
    """
    stored = read_tensors(path, "inputs", _REMEDY)
    if stored.header.get("format") != _FORMAT or [*stored.tensors] != [_NAME] or not stored.has_digest:
        raise ValueError(
            f"{path} must hold inputs in format {_FORMAT}, got a header of {quote(stored.header)}; {_REMEDY}"
        )
    inputs = stored.tensors[_NAME]
    if not (inputs.is_floating_point() and bool(inputs.isfinite().all())):
        raise ValueError(f"the inputs in {path} must be finite numbers; {_REMEDY}")
    return inputs
