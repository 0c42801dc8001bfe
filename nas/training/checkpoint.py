"""Checkpoints as safetensors: weights of a supernet, and the state of an unfinished training.

A file names its format, its version and its space. Nothing in it is ever unpickled.
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

_FORMAT, _VERSION = "nas-supernet", 4
_TRAINING = "training/"  # prefix of the tensors that belong to the training: of the optimiser and the teacher


@dataclass(frozen=True)
class TrainingState:
    """How far a training has come.

    Attributes:
        step: Number of finished steps.
        plan: The plan of the training as text, `TrainingPlan.identity`.
        tensors: State of the optimiser and of the teacher, by name; empty for a finished training.
        policy_probabilities: The probabilities of the policies of a layer, by the index of its policy gene; empty where
            policies are drawn uniformly.
    """

    step: int
    plan: str
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    policy_probabilities: Mapping[int, list[float]] = field(default_factory=dict)


def save_checkpoint(path: Path, supernet: Supernet, state: TrainingState) -> None:
    """Writes the weights, statistics and leaves of a supernet, and the state of its training, atomically.

    Args:
        path: The file; an existing one is replaced.
        supernet: The supernet that is stored.
        state: How far it was trained.

    Raises:
        OSError: If the file cannot be written.
    """
    tensors = supernet.state_dict() | {f"{_TRAINING}{name}": tensor for name, tensor in state.tensors.items()}
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "space": supernet.space.name,
        "leaves": [_describe_leaf(served) for served in supernet.leaf_subspaces],
        "weight_steps": supernet.learns_weight_steps,
        "step": state.step,
        "plan": state.plan,
        "policy_probabilities": list(state.policy_probabilities.items()),
    }
    save_tensors(path, tensors, header)


def load_checkpoint(path: Path, supernet: Supernet) -> TrainingState:
    """Reads weights and leaves into a supernet of the same space, and returns the state of its training.

    Args:
        path: A file that `save_checkpoint` wrote.
        supernet: Receives the weights, and the leaves of the stored supernet in place of its own.

    Raises:
        ValueError: If the file is damaged, or its format, version, space or shapes are not those that are expected. The
            supernet is then unchanged.
    """
    with open_tensors(path, "checkpoint") as (file, header):
        _check_version(path, header)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    if header["space"] != supernet.space.name:
        raise ValueError(
            f"{path} is a checkpoint of space {header['space']!r}; this job needs one of {supernet.space.name!r}"
        )
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith(_TRAINING)}
    served = [_read_leaf(supernet.space, described) for described in header["leaves"]]
    restored = copy.deepcopy(supernet)
    if served:
        restored.split([(0, subspace) for subspace in served])
    if header["weight_steps"]:
        restored.learn_weight_steps(MASTER_BITS)  # so that there are tensors to load the learnt ones into
    _check_shapes(path, restored, weights)
    restored.load_state_dict(weights)
    supernet.replace_leaves(restored)
    extra = {name.removeprefix(_TRAINING): tensor for name, tensor in tensors.items() if name.startswith(_TRAINING)}
    probabilities = {int(gene): list(row) for gene, row in header["policy_probabilities"]}
    return TrainingState(int(header["step"]), str(header["plan"]), extra, probabilities)


def read_leaves(path: Path, architectures: SearchSpace) -> tuple[Subspace, ...]:
    """The parts of the space that the leaves of a stored supernet serve; empty if the supernet was not split.

    Args:
        path: A file that `save_checkpoint` wrote.
        architectures: The space of the stored supernet.

    Raises:
        ValueError: If the file is damaged, or of another format or version.
    """
    with open_tensors(path, "checkpoint") as (_, header):
        _check_version(path, header)
        return tuple(_read_leaf(architectures, described) for described in header["leaves"])


def _describe_leaf(served: Subspace) -> dict[str, Any]:
    return {"policies": served.space.policies.to_json(), "open": served.open}


def _read_leaf(architectures: SearchSpace, described: dict[str, Any]) -> Subspace:
    space = JointSpace(architectures, PolicySpace.from_json(described["policies"]))
    return Subspace(space, tuple(tuple(values) for values in described["open"]))


def _check_version(path: Path, header: Mapping[str, Any]) -> None:
    found, version = header.get("format"), header.get("version")
    if (found, version) != (_FORMAT, _VERSION):
        raise ValueError(
            f"{path} is of format {found!r}, version {version}; a checkpoint that this program reads is of format "
            f"{_FORMAT!r}, version {_VERSION}; use the program that wrote it, or delete it, then: nas train JOB"
        )


def _check_shapes(path: Path, supernet: Supernet, weights: dict[str, Tensor]) -> None:
    """Raises ValueError, with the first difference, unless names and shapes are those of the supernet."""
    wanted = {name: tensor.shape for name, tensor in supernet.state_dict().items()}
    found = {name: torch.Size(tensor.shape) for name, tensor in weights.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        name = differing[0]
        raise ValueError(
            f"{path} does not fit this job's space {supernet.space.name!r}: "
            f"{name} must have shape {wanted.get(name)}, got {found.get(name)}"
        )
