"""Checkpoints in safetensors: weights of a supernet, and the state of an unfinished training.

In: a supernet. Out: files that name their space, and supernets read back. Never unpickles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nas.files import replacing
from search_spaces.elastic.supernet import Supernet

_FORMAT = "nas-supernet-1"
_HEADER = "nas"
_MOMENTUM = "momentum/"


@dataclass(frozen=True)
class TrainingState:
    """How far a training has come.

    Attributes:
        epochs: Finished epochs.
        schedule: The settings that it follows, as text.
        momentum: State of the optimiser by parameter name; empty where training does not go on.
    """

    epochs: int
    schedule: str
    momentum: Mapping[str, Tensor] = field(default_factory=dict)


def save_checkpoint(path: Path, supernet: Supernet, state: TrainingState) -> None:
    """Writes the weights and statistics of a supernet, and the state of its training, atomically."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in supernet.state_dict().items()}
    tensors |= {f"{_MOMENTUM}{name}": tensor.contiguous() for name, tensor in state.momentum.items()}
    header = {
        "format": _FORMAT,
        "space": supernet.space.name,
        "epochs": state.epochs,
        "schedule": state.schedule,
    }
    with replacing(path) as draft:
        try:
            # one entry only: safetensors writes several in random order, and equal supernets must give equal files
            save_file(tensors, draft, {_HEADER: json.dumps(header)})
        except SafetensorError as error:
            raise OSError(f"could not write {path}: {error}") from error


def load_checkpoint(path: Path, supernet: Supernet) -> TrainingState:
    """Reads weights into a supernet of the same space, and returns the state of its training.

    Raises:
        ValueError: If the file is damaged or belongs to another space.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"cannot read the checkpoint {path}: {error}; delete it, then: nas train JOB") from error
    if header.get("format") != _FORMAT or header.get("space") != supernet.space.name:
        found = header.get("space", "an unknown program")
        raise ValueError(f"{path} is a checkpoint of {found!r}; this job needs one of {supernet.space.name!r}")
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith(_MOMENTUM)}
    _check_shapes(path, supernet, weights)
    supernet.load_state_dict(weights)
    momentum = {name.removeprefix(_MOMENTUM): tensor for name, tensor in tensors.items() if name.startswith(_MOMENTUM)}
    return TrainingState(int(header["epochs"]), str(header["schedule"]), momentum)


def _check_shapes(path: Path, supernet: Supernet, weights: dict[str, Tensor]) -> None:
    wanted = {name: tensor.shape for name, tensor in supernet.state_dict().items()}
    found = {name: torch.Size(tensor.shape) for name, tensor in weights.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        name = differing[0]
        raise ValueError(
            f"{path} does not fit this job's space {supernet.space.name!r}: "
            f"{name} must have shape {wanted.get(name)}, got {found.get(name)}"
        )
