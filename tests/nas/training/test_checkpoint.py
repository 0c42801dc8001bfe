"""Checkpoints come back bit by bit, and foreign or damaged files are refused in one line, untouched."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nas.training.checkpoint import TrainingState, load_checkpoint, read_leaves, save_checkpoint
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.families.resnet import ResNetShape, ResNetSpace, ResNetStage
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.subspace import Subspace

STATE = TrainingState(3, "a plan")


def net(name: str = "resnet_digits", classes: int = 10, seed: int = 0) -> Supernet:
    return build_supernet(create_space(name, 1, classes), seed)


def test_weights_and_training_state_come_back(tmp_path: Path) -> None:
    written, read = net("mobilenet_v3_digits"), net("mobilenet_v3_digits", seed=1)
    momentum = {name: torch.randn_like(tensor) for name, tensor in written.named_parameters()}
    save_checkpoint(tmp_path / "a.safetensors", written, TrainingState(7, "a plan", momentum, {3: [0.25, 0.75]}))
    state = load_checkpoint(tmp_path / "a.safetensors", read)
    assert (state.step, state.plan, state.policy_probabilities) == (7, "a plan", {3: [0.25, 0.75]})
    assert all(torch.equal(tensor, read.state_dict()[name]) for name, tensor in written.state_dict().items())
    assert state.tensors.keys() == momentum.keys()
    assert all(torch.equal(tensor, state.tensors[name]) for name, tensor in momentum.items())
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_leaves_and_learnt_steps_come_back(tmp_path: Path) -> None:
    written = net()
    space = JointSpace(written.space, PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))
    whole, depth, bits = Subspace.whole(space), 1, len(space.genes) - 1
    halves = [whole.restrict(depth, (value,)) for value in (0, 1)]
    written.split([(0, halves[0]), (0, halves[1].restrict(bits, (0, 2))), (0, halves[1].restrict(bits, (1,)))])
    written.learn_weight_steps(4)
    with torch.no_grad():
        for number, parameter in enumerate(written.parameters()):
            parameter += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    save_checkpoint(tmp_path / "a.safetensors", written, STATE)
    population = space.sample(np.random.default_rng(0), 30)
    candidates = [(population[row].architecture, population[row].policy) for row in range(30)]
    expected = [list(written.leaves).index(written.weights_for(*one)) for one in candidates]
    assert set(expected) == {0, 1, 2}
    other_leaves = copy.deepcopy(written)
    other_leaves.split([(0, whole), (0, whole)])
    leaves = read_leaves(tmp_path / "a.safetensors", written.space)
    assert [leaf.open for leaf in leaves] == [subspace.open for subspace in written.leaf_subspaces]
    for read in (net(seed=1), other_leaves):
        load_checkpoint(tmp_path / "a.safetensors", read)
        assert read.learns_weight_steps
        assert read.state_dict().keys() == written.state_dict().keys()
        assert any("log_weight_step" in name for name in read.state_dict())
        assert all(torch.equal(tensor, read.state_dict()[name]) for name, tensor in written.state_dict().items())
        assert [subspace.open for subspace in read.leaf_subspaces] == [
            subspace.open for subspace in written.leaf_subspaces
        ]
        assert [list(read.leaves).index(read.weights_for(*one)) for one in candidates] == expected
        side = candidates[0][0].resolution
        inputs = torch.randn(2, 1, side, side, generator=torch.Generator().manual_seed(0))
        assert torch.equal(read.eval()(inputs, *candidates[0]), written.eval()(inputs, *candidates[0]))


# Written by version 4: two leaves by depth, learnt steps, all weights changed; every later version must open it.
STORED = Path(__file__).parents[2] / "fixtures" / "supernet-4.safetensors"
STORED_WEIGHTS = "1d3ebbecd91b645bff062aecd849cfdfa22febcb02801dcb97e25bf03859aba2"
TINY = ResNetSpace("tiny", ResNetShape((8, 12), 2, (3, 3), (0.5, 1.0), "conv", (ResNetStage((2, 4), (1, 2), 2),)), 1, 2)


def test_a_checkpoint_that_is_kept_opens_with_the_same_weights() -> None:
    read = build_supernet(TINY, 1)
    state = load_checkpoint(STORED, read)
    digest = hashlib.sha256()
    for name, tensor in sorted(read.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    assert digest.hexdigest() == STORED_WEIGHTS
    assert (state.step, state.plan, state.policy_probabilities) == (7, '{"seed": 0}', {5: [0.5, 0.25, 0.25]})
    assert float(state.tensors["optimizer/leaves.1.network.stem.op.weight/momentum_buffer"].sum()) == pytest.approx(
        -1.6174837
    )
    assert read.learns_weight_steps
    leaves = read_leaves(STORED, TINY)
    assert [leaf.open[1] for leaf in leaves] == [(0,), (1,)]
    assert [str(policy) for policy in leaves[0].space.slot_policies[0]] == ["w32a32", "w8a8", "w4a8"]
    largest, smallest = (leaves[number].largest() for number in (1, 0))
    assert read.weights_for(largest.architecture, largest.policy) is read.leaves[1]
    assert read.weights_for(smallest.architecture, smallest.policy) is read.leaves[0]


@pytest.mark.parametrize("stamp", [{"format": "nas-supernet-3", "version": None}, {"version": 3}, {"version": 5}])
def test_another_version_is_refused_in_a_line_that_says_what_to_do(tmp_path: Path, stamp: dict[str, Any]) -> None:
    path = tmp_path / "a.safetensors"
    with safe_open(STORED, framework="pt") as file:
        header = json.loads(file.metadata()["nas"]) | stamp
    save_file(load_file(STORED), path, {"nas": json.dumps(header)})
    for read in (lambda: load_checkpoint(path, build_supernet(TINY, 1)), lambda: read_leaves(path, TINY)):
        with pytest.raises(
            ValueError, match=r"format 'nas-supernet', version 4; use the program .* nas train JOB$"
        ) as no:
            read()
        assert str(no.value).startswith(f"{path} is of format {header['format']!r}, version {header['version']}")
        assert "\n" not in str(no.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "cannot read the checkpoint"),
        (lambda path: path.write_bytes(b""), "cannot read the checkpoint"),
        (lambda path: path.write_bytes(b"\x80\x04K*."), "cannot read the checkpoint"),  # a pickle is not opened
        (lambda path: save_file({"w": torch.ones(2)}, path), "is of format None, version None; a checkpoint that"),
        (
            lambda path: save_checkpoint(path, net("mobilenet_v3_digits"), STATE),
            "is a checkpoint of space 'mobilenet_v3_digits'; this job needs one of 'resnet_digits'",
        ),
        (lambda path: save_checkpoint(path, net(classes=7), STATE), "classifier.* must have shape"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, net(seed=1), STATE)
    damage(path)
    before = path.read_bytes() if path.exists() else None
    target = net()
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(path, target)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert (path.read_bytes() if path.exists() else None) == before
    assert all(torch.equal(tensor, target.state_dict()[name]) for name, tensor in net().state_dict().items())


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"No such file.*a\.safetensors"):
        load_checkpoint(tmp_path / "a.safetensors", net())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"could not write .*a\.safetensors"):
        save_checkpoint(tmp_path / "nowhere" / "a.safetensors", net(), STATE)
