"""Checkpoints come back bit by bit, and foreign or damaged files are refused in one line, untouched."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nas.training.checkpoint import TrainingState, load_checkpoint, read_leaves, save_checkpoint
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.subspace import Subspace

STATE = TrainingState(3, "a schedule")


def net(name: str = "resnet_digits", classes: int = 10, seed: int = 0) -> Supernet:
    return build_supernet(create_space(name, 1, classes), seed)


def test_weights_and_training_state_come_back(tmp_path: Path) -> None:
    written, read = net("mobilenet_v3_digits"), net("mobilenet_v3_digits", seed=1)
    momentum = {name: torch.randn_like(tensor) for name, tensor in written.named_parameters()}
    save_checkpoint(tmp_path / "a.safetensors", written, TrainingState(7, "a schedule", momentum, {3: [0.25, 0.75]}))
    state = load_checkpoint(tmp_path / "a.safetensors", read)
    assert (state.step, state.schedule, state.odds) == (7, "a schedule", {3: [0.25, 0.75]})
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
    assert [leaf.open for leaf in leaves] == [domain.open for domain in written.leaf_subspaces]
    for read in (net(seed=1), other_leaves):
        load_checkpoint(tmp_path / "a.safetensors", read)
        assert read.learns_weight_steps
        assert read.state_dict().keys() == written.state_dict().keys()
        assert any("log_weight_step" in name for name in read.state_dict())
        assert all(torch.equal(tensor, read.state_dict()[name]) for name, tensor in written.state_dict().items())
        assert [domain.open for domain in read.leaf_subspaces] == [domain.open for domain in written.leaf_subspaces]
        assert [list(read.leaves).index(read.weights_for(*one)) for one in candidates] == expected
        side = candidates[0][0].resolution
        inputs = torch.randn(2, 1, side, side, generator=torch.Generator().manual_seed(0))
        assert torch.equal(read.eval()(inputs, *candidates[0]), written.eval()(inputs, *candidates[0]))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "cannot read the checkpoint"),
        (lambda path: path.write_bytes(b""), "cannot read the checkpoint"),
        (lambda path: path.write_bytes(b"\x80\x04K*."), "cannot read the checkpoint"),  # a pickle is not opened
        (lambda path: save_file({"w": torch.ones(2)}, path), "is a checkpoint of 'an unknown program' in format None"),
        (
            lambda path: save_checkpoint(path, net("mobilenet_v3_digits"), STATE),
            "is a checkpoint of 'mobilenet_v3_digits'",
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
