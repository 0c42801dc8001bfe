"""Checkpoints in safetensors: weights of a supernet, and the state of an unfinished training.

In: a supernet. Out: files that name their space, and supernets read back. Never unpickles.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.tensor_files import open_tensors, save_tensors
from search_spaces.elastic.double_rounding import MASTER_BITS
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.search_space import SearchSpace
from search_spaces.subspace import Subspace

_FORMAT = "nas-supernet-3"
_EXTRA = "training/"


@dataclass(frozen=True)
class TrainingState:
    """How far a training has come.

    Attributes:
        step: Finished steps.
        schedule: What it follows, as text.
        tensors: State of the optimiser and the teacher; empty where training does not go on.
        odds: Chances of policies by number of the gene; empty where they are uniform.
    """

    step: int
    schedule: str
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    odds: Mapping[int, list[float]] = field(default_factory=dict)


def save_checkpoint(path: Path, supernet: Supernet, state: TrainingState) -> None:
    """Writes the weights, statistics and leaves of a supernet, and the state of its training, atomically."""
    tensors = supernet.state_dict() | {f"{_EXTRA}{name}": tensor for name, tensor in state.tensors.items()}
    header = {
        "format": _FORMAT,
        "space": supernet.space.name,
        "leaves": [_described(domain) for domain in supernet.leaf_subspaces],
        "weight_steps": supernet.learns_weight_steps,
        "step": state.step,
        "schedule": state.schedule,
        "odds": list(state.odds.items()),
    }
    save_tensors(path, tensors, header)


def load_checkpoint(path: Path, supernet: Supernet) -> TrainingState:
    """Reads weights and leaves into a supernet of the same space, and returns the state of its training.

    Raises:
        ValueError: If the file is damaged or belongs to another space; the supernet is then as it was.
    """
    with open_tensors(path, "checkpoint") as (file, header):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    if header.get("format") != _FORMAT or header.get("space") != supernet.space.name:
        found = header.get("space", "an unknown program")
        raise ValueError(
            f"{path} is a checkpoint of {found!r} in format {header.get('format')}; "
            f"this job needs one of {supernet.space.name!r} in format {_FORMAT}"
        )
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith(_EXTRA)}
    domains = [_domain(supernet.space, described) for described in header["leaves"]]
    restored = copy.deepcopy(supernet)
    if domains:
        restored.split([(0, domain) for domain in domains])
    if header["weight_steps"]:
        restored.learn_weight_steps(MASTER_BITS)
    _check_shapes(path, restored, weights)
    restored.load_state_dict(weights)
    supernet.replace_leaves(restored)
    extra = {name.removeprefix(_EXTRA): tensor for name, tensor in tensors.items() if name.startswith(_EXTRA)}
    odds = {int(gene): list(chances) for gene, chances in header["odds"]}
    return TrainingState(int(header["step"]), str(header["schedule"]), extra, odds)


def read_leaves(path: Path, architectures: SearchSpace) -> tuple[Subspace, ...]:
    """The parts of the space that the leaves of a stored supernet serve; none if it was not split.

    Raises:
        ValueError: If the file is damaged.
    """
    with open_tensors(path, "checkpoint") as (_, header):
        return tuple(_domain(architectures, described) for described in header["leaves"])


def _described(domain: Subspace) -> dict[str, Any]:
    return {"policies": domain.space.policies.to_json(), "open": domain.open}


def _domain(architectures: SearchSpace, described: dict[str, Any]) -> Subspace:
    space = JointSpace(architectures, PolicySpace.from_json(described["policies"]))
    return Subspace(space, tuple(tuple(values) for values in described["open"]))


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
