"""Tensors with a header in JSON, as safetensors files, which are read without unpickling.

A file carries a digest of its header and its tensors, so that a damaged weight is found, which would be a number like
any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nas.files import atomic_write
from search_spaces.file_kind import find_file_kind
from search_spaces.quoting import describe_error, quote_name

_HEADER, _DIGEST = "nas", "sha256"
_LARGEST_HEADER = 32 << 20  # bytes; the graph of a network of 10,000 layers takes 3 MB
_DTYPES = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"}  # which safetensors and torch share


@dataclass(frozen=True)
class TensorFile:
    """What a file holds.

    Attributes:
        header: Values of JSON by name; empty if another program wrote the file.
        tensors: Tensors of any shapes, by name.
        has_digest: Whether the file carries a digest, which then is that of its content. Files of before carry none.
    """

    header: dict[str, Any]
    tensors: dict[str, Tensor]
    has_digest: bool


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
    described = {_DIGEST: _digest(header, stored), **header}
    with atomic_write(path) as draft:
        try:
            draft.touch()
            mode = draft.stat().st_mode  # that of new files; safetensors makes them readable to their owner alone
            # one entry only: safetensors writes several in random order, and equal tensors must give equal files
            save_file(stored, draft, {_HEADER: json.dumps(described)})
            draft.chmod(mode)
        except (SafetensorError, OSError) as error:
            raise OSError(f"could not write {path}: {error}") from error


def read_tensors(path: Path, what: str, remedy: str) -> TensorFile:
    """Reads a safetensors file, and compares it with its digest.

    Args:
        path: The file.
        what: Name of the content in errors, such as `checkpoint`.
        remedy: What to do with a file that cannot be read, as the end of errors.

    Raises:
        ValueError: If the file is no safetensors file, damaged, or holds a tensor of a type that torch does not have.
        OSError: If the file is missing or cannot be read.
    """
    with _open(path, what, remedy) as file:
        header = _read_header(file)
        for name in file.keys():  # noqa: SIM118 (not a dict)
            if (found := file.get_slice(name).get_dtype()) not in _DTYPES:
                raise ValueError(f"tensor {quote_name(name)} is of type {found}, which is not read")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        digest = header.pop(_DIGEST, None)
        if digest is not None and digest != _digest(header, tensors):
            raise ValueError("its content is not what was written, by its digest")
    return TensorFile(header, tensors, digest is not None)


def read_header(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """The header of a safetensors file, whose tensors are not read and not compared with the digest.

    Args:
        path: The file.
        what: Name of the content in errors, such as `checkpoint`.
        remedy: What to do with a file that cannot be read, as the end of errors.

    Raises:
        ValueError: If the file is no safetensors file, or damaged.
        OSError: If the file is missing or cannot be read.
    """
    with _open(path, what, remedy) as file:
        return {name: value for name, value in _read_header(file).items() if name != _DIGEST}


def find_misfits(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """Why tensors cannot take the place of others: a line for each that differs, is missing or is there besides.

    Args:
        wanted: Tensors of the names, shapes and types that are expected.
        found: The tensors, whose numbers must be finite, too.
    """
    lines = []
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            lines.append(f"{quote_name(name)} is missing")
        elif name not in wanted:
            lines.append(f"{quote_name(name)} is there besides")
        elif _describe(wanted[name]) != _describe(found[name]):
            lines.append(f"{quote_name(name)} must be {_describe(wanted[name])}, got {_describe(found[name])}")
        elif not bool(found[name].isfinite().all()):
            lines.append(f"{quote_name(name)} holds numbers that are not finite")
    return lines


@contextmanager
def _open(path: Path, what: str, remedy: str) -> Iterator[Any]:
    """The open file; all that is wrong with it, also in the block, becomes a ValueError that names it."""
    try:
        _check_size(path)
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, RecursionError, ValueError, RuntimeError) as error:  # RuntimeError: torch's, of storages
        raise ValueError(f"cannot read the {what} {path}: {describe_error(error)}; {remedy}") from error


def _check_size(path: Path) -> None:
    """Refuses what would be read for ever or into gigabytes: a pipe, a device, a header of any length."""
    if (kind := find_file_kind(path.stat())) != "a file":
        raise ValueError(f"it is {kind}")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if not length <= _LARGEST_HEADER:
        raise ValueError(f"a header has at most {_LARGEST_HEADER:,} bytes, and it says {length:,}")


def _read_header(file: Any) -> dict[str, Any]:
    header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
    return header if isinstance(header, dict) else {}


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"\0{name}\0{_describe(tensor)}\0".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
