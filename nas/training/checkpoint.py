"""Checkpoints as safetensors: weights of a supernet, and the state of an unfinished training.

A file names its format, its version and its space. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from nas.tensor_files import find_misfits, read_header, read_tensors, save_tensors
from nas.training.checkpoint_header import (
    FORMAT,
    REMEDY,
    VERSION,
    WITHOUT_DIGEST,
    CheckpointHeader,
    describe_leaf,
)
from search_spaces.elastic.double_rounding import MASTER_BITS
from search_spaces.elastic.supernet import Supernet
from search_spaces.quoting import quote
from search_spaces.search_space import SearchSpace
from search_spaces.subspace import Subspace

_NAMED = 3  # tensors that do not fit, in an error
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
        names: Names of the outputs, such as classes; empty where the data state none, and in an unfinished training.
    """

    step: int
    plan: str
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    policy_probabilities: Mapping[int, list[float]] = field(default_factory=dict)
    names: tuple[str, ...] = ()


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
        "format": FORMAT,
        "version": VERSION,
        "space": supernet.space.name,
        "leaves": [describe_leaf(served) for served in supernet.leaf_subspaces],
        "weight_steps": supernet.learns_weight_steps,
        "step": state.step,
        "plan": state.plan,
        "policy_probabilities": list(state.policy_probabilities.items()),
    }
    save_tensors(path, tensors, header | ({"names": [*state.names]} if state.names else {}))


def load_checkpoint(path: Path, supernet: Supernet) -> TrainingState:
    """Reads weights and leaves into a supernet of the same space, and returns the state of its training.

    Args:
        path: A file that `save_checkpoint` wrote.
        supernet: Receives the weights, and the leaves of the stored supernet in place of its own.

    Raises:
        ValueError: If the file is damaged, or its format, version, space, or the names, shapes or types of its tensors
            are not those that are expected, or a number is not finite. The supernet is then unchanged.
    """
    stored = read_tensors(path, "checkpoint", REMEDY)
    header = CheckpointHeader.read(path, stored.header)
    if stored.has_digest != (header.version > WITHOUT_DIGEST):
        raise ValueError(f"{path} is of version {header.version} and has no digest of that; {REMEDY}")
    if header.space != supernet.space.name:
        raise ValueError(
            f"{path} is a checkpoint of space {quote(header.space)}; this job needs one of {supernet.space.name!r}"
        )
    tensors = stored.tensors
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith(_TRAINING)}
    served = header.read_leaves(path, supernet.space)
    _check_leaves(path, len(served), weights)
    restored = copy.deepcopy(supernet)
    if served:
        restored.split([(0, subspace) for subspace in served])
    if header.weight_steps:
        restored.learn_weight_steps(MASTER_BITS)  # so that there are tensors to load the learnt ones into
    check_fit(path, f"the supernet of space {supernet.space.name!r}", restored.state_dict(), weights)
    restored.load_state_dict(weights)
    supernet.replace_leaves(restored)
    extra = {name.removeprefix(_TRAINING): tensor for name, tensor in tensors.items() if name.startswith(_TRAINING)}
    probabilities, names = dict(header.policy_probabilities), tuple(header.names or ())
    return TrainingState(header.step, header.plan, extra, probabilities, names)


def read_leaves(path: Path, architectures: SearchSpace) -> tuple[Subspace, ...]:
    """The parts of the space that the leaves of a stored supernet serve; empty if the supernet was not split.

    Args:
        path: A file that `save_checkpoint` wrote.
        architectures: The space of the stored supernet.

    Raises:
        ValueError: If the file is damaged, or of another format or version.
    """
    header = CheckpointHeader.read(path, read_header(path, "checkpoint", REMEDY))
    return header.read_leaves(path, architectures)


def check_fit(path: Path, what: str, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Refuses tensors of a checkpoint that cannot take the place of others.

    Args:
        path: The file.
        what: What they belong to.
        wanted: Tensors of the names, shapes and types that are expected.
        found: The tensors of the file.

    Raises:
        ValueError: If names, shapes or types differ, or a number is not finite; the first three are named.
    """
    if misfits := find_misfits(wanted, found):
        more = f" and {len(misfits) - _NAMED} more" if len(misfits) > _NAMED else ""
        raise ValueError(f"{path} does not fit {what}: {'; '.join(misfits[:_NAMED])}{more}; {REMEDY}")


def _check_leaves(path: Path, described: int, weights: Mapping[str, Tensor]) -> None:
    """Refuses a header that describes more or fewer leaves than the file has weights of, before these are made."""
    stored = len({name.split(".")[1] for name in weights if name.startswith("leaves.")})
    if stored != (described or 1):
        raise ValueError(f"{path} must hold the weights of {described or 1} leaves, got those of {stored}; {REMEDY}")
