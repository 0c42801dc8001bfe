"""Tensors with a header in JSON, as safetensors files, which are read without unpickling."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nas.files import atomic_write

_HEADER = "nas"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Writes a safetensors file atomically.

    Args:
        path: The file; an existing one is replaced.
        tensors: Tensors of any shapes, by name; no two may share memory.
        header: Values that JSON can hold, by name.

    Raises:
        OSError: If the file cannot be written.
    """
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_write(path) as draft:
        try:
            # one entry only: safetensors writes several in random order, and equal tensors must give equal files
            save_file(stored, draft, {_HEADER: json.dumps(header)})
        except SafetensorError as error:
            raise OSError(f"could not write {path}: {error}") from error


@contextmanager
def open_tensors(path: Path, what: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Opens a safetensors file, and yields it with its header, which is empty if another program wrote the file.

    Args:
        path: The file.
        what: Name of the content in the error, such as `checkpoint`.

    Raises:
        ValueError: If the file is missing, damaged or no safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            yield file, header if isinstance(header, dict) else {}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"cannot read the {what} {path}: {error}; delete it, then: nas train JOB") from error
