"""The manifest of an exported file, `NAME.json` beside `NAME.onnx`, and `NAME.npz` with what torch computed.

The manifest is plain JSON. What reads it needs neither the engine nor torch.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.input_file import read_input, read_text
from nas.files import atomic_write
from nas.verification.manifest import FORMAT, Manifest, StoredFile
from nas.verification.typed_json import decode, encode
from search_spaces.quoting import describe_error, quote

_MOST_BYTES = 16 << 20  # of a manifest: a network of a hundred thousand layers


def locate_manifest(file: Path) -> Path:
    """The path of the manifest of an ONNX file.

    Args:
        file: The ONNX file.
    """
    return file.with_suffix(".json")


def locate_samples(file: Path) -> Path:
    """The path of the samples of an ONNX file, as they are written.

    Args:
        file: The ONNX file.
    """
    return file.with_suffix(".npz")


def write_manifest(manifest: Manifest, folder: Path) -> Path:
    """Writes a manifest beside its file, atomically.

    Args:
        manifest: The manifest.
        folder: The folder of its file.

    Returns:
        Its path.
    """
    content = encode(manifest)
    path = locate_manifest(folder / manifest.file.name)
    with atomic_write(path) as draft:
        text = json.dumps({**content, "sha256": _digest(content)}, indent=1)
        draft.write_text(text, encoding="utf-8")
    return path


def read_manifest(file: Path) -> Manifest:
    """The manifest of an ONNX file.

    Args:
        file: The ONNX file.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If there is no manifest, or it is damaged, something else or of another format.
    """
    path = locate_manifest(file)
    if not path.exists():
        raise ValueError(f"{file} must have its manifest beside it, and {path} is not there; put it there")
    try:
        document = json.loads(read_text(path, _MOST_BYTES))
        if not isinstance(document, dict) or not {"format", "sha256"} <= document.keys():
            raise ValueError("it is no manifest of an exported file")
        if document["format"] != FORMAT:
            raise ValueError(
                f"its format is {quote(document['format'])}, and nas {version('nas')} reads format {FORMAT}"
            )
        digest = document.pop("sha256")
        if digest != _digest(document):
            raise ValueError("its digest is that of something else")
        return decode(json.dumps(document), Manifest)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({describe_error(error)}); export the network again") from error


def write_samples(path: Path, inputs: NDArray[Any], outputs: NDArray[Any]) -> StoredFile:
    """Writes samples, atomically.

    Args:
        path: The .npz file.
        inputs: Inputs of the network, shape (samples, ...).
        outputs: What torch computes of them, shape (samples, ...).
    """
    with atomic_write(path) as draft, draft.open("wb") as stream:  # numpy would add a suffix to a path
        np.savez_compressed(stream, inputs=inputs, outputs=outputs)
    return StoredFile.of(path)


def read_samples(file: Path, manifest: Manifest) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs and torch's outputs of a file, shapes (samples, ...) both.

    Args:
        file: The ONNX file.
        manifest: Its manifest.

    Raises:
        OSError: If there are none, or they cannot be read.
        ValueError: If they are not those of the manifest, or damaged.
    """
    path, expected = file.with_name(manifest.samples.name), manifest.samples
    if hashlib.sha256(read_input(path)).hexdigest() != expected.sha256:
        raise ValueError(f"{path} is damaged: its digest is not that of the manifest; export the network again")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            inputs, outputs = arrays["inputs"], arrays["outputs"]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged ({describe_error(error)}); export the network again") from error
    if not (0 < len(inputs) == len(outputs)):
        raise ValueError(f"{path} must hold as many inputs as outputs, got {len(inputs)} and {len(outputs)}")
    return inputs, outputs


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
