"""Checkpoints come back bit by bit, and foreign or damaged files are refused in one line, untouched."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from fuzzer import find_refusal
from mutations import mutate_bytes, mutate_json
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from nas.tensor_files import read_tensors, save_tensors
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
    save_checkpoint(
        tmp_path / "a.safetensors", written, TrainingState(7, "a plan", momentum, {3: [0.25, 0.75]}, ("cat", "dog"))
    )
    state = load_checkpoint(tmp_path / "a.safetensors", read)
    assert (state.step, state.plan, state.policy_probabilities) == (7, "a plan", {3: [0.25, 0.75]})
    assert state.names == ("cat", "dog")
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


# Written by each version: two leaves by depth, learnt steps, all weights changed; every later version must open them.
FIXTURES = Path(__file__).parents[2] / "fixtures"
STORED = FIXTURES / "supernet-4.safetensors"  # without a digest
STORED_WEIGHTS = "1d3ebbecd91b645bff062aecd849cfdfa22febcb02801dcb97e25bf03859aba2"
TINY = ResNetSpace("tiny", ResNetShape((8, 12), 2, (3, 3), (0.5, 1.0), "conv", (ResNetStage((2, 4), (1, 2), 2),)), 1, 2)


@pytest.mark.parametrize("version", [4, 5])
def test_a_checkpoint_that_is_kept_opens_with_the_same_weights(version: int) -> None:
    read, stored = build_supernet(TINY, 1), FIXTURES / f"supernet-{version}.safetensors"
    state = load_checkpoint(stored, read)
    digest = hashlib.sha256()
    for name, tensor in sorted(read.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    assert digest.hexdigest() == STORED_WEIGHTS
    assert (state.step, state.plan, state.policy_probabilities) == (7, '{"seed": 0}', {5: [0.5, 0.25, 0.25]})
    assert float(state.tensors["optimizer/leaves.1.network.stem.op.weight/momentum_buffer"].sum()) == pytest.approx(
        -1.6174837
    )
    assert read.learns_weight_steps
    leaves = read_leaves(stored, TINY)
    assert [leaf.open[1] for leaf in leaves] == [(0,), (1,)]
    assert [str(policy) for policy in leaves[0].space.slot_policies[0]] == ["w32a32", "w8a8", "w4a8"]
    largest, smallest = (leaves[number].largest() for number in (1, 0))
    assert read.weights_for(largest.architecture, largest.policy) is read.leaves[1]
    assert read.weights_for(smallest.architecture, smallest.policy) is read.leaves[0]


@pytest.mark.parametrize("stamp", [{"format": "nas-supernet-3", "version": None}, {"version": 3}, {"version": 6}])
def test_another_version_is_refused_in_a_line_that_says_what_to_do(tmp_path: Path, stamp: dict[str, Any]) -> None:
    path = tmp_path / "a.safetensors"
    with safe_open(STORED, framework="pt") as file:
        header = json.loads(file.metadata()["nas"]) | stamp
    save_file(load_file(STORED), path, {"nas": json.dumps(header)})
    for read in (lambda: load_checkpoint(path, build_supernet(TINY, 1)), lambda: read_leaves(path, TINY)):
        with pytest.raises(
            ValueError, match=r"format 'nas-supernet', version 4 or 5; use the program .* nas train JOB$"
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
        (
            lambda path: save_checkpoint(path, net(classes=7), STATE),
            r"classifier.* must be float32 of shape \(10,.*got float32 of shape \(7,",
        ),
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


def _stored(header: dict[str, Any], tensors: dict[str, Tensor], path: Path) -> Path:
    """A checkpoint whose digest is right, whatever it holds."""
    save_tensors(path, tensors, header)
    return path


@pytest.fixture
def parts() -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors of a checkpoint."""
    stored = read_tensors(FIXTURES / "supernet-5.safetensors", "checkpoint", "")
    return stored.header, stored.tensors


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": True}, "version True"),
        ({"version": [5]}, r"version \[5\]"),
        ({"step": -1}, "step: .* -1"),
        ({"step": 1e300}, "step"),
        ({"step": "7"}, "step"),
        ({"space": None}, "space"),
        ({"space": "tiny\n[/red]"}, r"'tiny\\n\[/red\]'"),
        ({"weight_steps": 1}, "weight_steps"),
        ({"weight_steps": False}, "leaves.0.* is there besides"),
        ({"leaves": []}, "the weights of 1 leaves, got those of 2"),
        ({"leaves": [{}] * 1000}, "leaves.0.policies is missing"),
        ({"leaves": {"policies": 1}}, "leaves"),
        ({"policy_probabilities": [[5, [0.5, float("nan")]]]}, "probabilities, which sum to 1"),
        ({"policy_probabilities": [[5, [0.5, 0.6]]]}, "probabilities, which sum to 1"),
        ({"policy_probabilities": [[-5, [1.0]]]}, "policy_probabilities"),
        ({"policy_probabilities": 3}, "policy_probabilities"),
        ({"more": 1}, "unknown key more"),
    ],
)
def test_a_header_of_another_type_or_depth_is_refused(
    change: dict[str, Any], words: str, tmp_path: Path, parts: tuple[dict[str, Any], dict[str, Tensor]]
) -> None:
    header, tensors = parts
    path = _stored(header | change, tensors, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=words) as caught:
        load_checkpoint(path, build_supernet(TINY, 1))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600 + len(str(path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"open": [[0]]}, "open must be one or more rising values of each of 12 genes"),
        ({"open": [[0, 0], *[[0]] * 11]}, "rising"),
        ({"open": [[7], *[[0]] * 11]}, "number 7 is open"),
        ({"open": 3}, "open"),
        ({"policies": {"policies": ["w9"], "rules": []}}, "is written like w8a8"),
        ({"policies": {"policies": ["w8a8"], "rules": [{"policies": ["w8a8"]}]}}, "one of name, operator and position"),
        ({"policies": {"policies": ["w8a8"], "rules": [{"policies": ["w8a8"], "name": "no"}]}}, "no layer of space"),
        ({"policies": ["w8a8"]}, "policies"),
    ],
)
def test_a_leaf_that_the_space_does_not_have_is_refused(
    change: dict[str, Any], words: str, tmp_path: Path, parts: tuple[dict[str, Any], dict[str, Tensor]]
) -> None:
    header, tensors = parts
    header["leaves"][1] |= change
    path = _stored(header, tensors, tmp_path / "a.safetensors")
    for read in (lambda: load_checkpoint(path, build_supernet(TINY, 1)), lambda: read_leaves(path, TINY)):
        with pytest.raises(ValueError, match=words) as caught:
            read()
        assert str(caught.value).isprintable()


def _not_finite(value: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        return tensor.clone().index_fill_(0, torch.tensor([0]), value)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *[(_not_finite(value), "holds numbers that are not finite") for value in (float("nan"), float("inf"))],
        *[
            (lambda tensor, dtype=dtype: tensor.to(dtype), f"must be float32 of shape .*, got {str(dtype)[6:]}")
            for dtype in (torch.int64, torch.bool, torch.int8, torch.float64, torch.float16, torch.bfloat16)
        ],
        (lambda tensor: tensor[:1], "must be float32 of shape"),
        (None, "is missing"),
    ],
)
@pytest.mark.parametrize("version", [4, 5])
def test_weights_are_not_cast_and_finite(
    change: Callable[[Tensor], Tensor] | None,
    words: str,
    version: int,
    tmp_path: Path,
    parts: tuple[dict[str, Any], dict[str, Tensor]],
) -> None:
    (header, tensors), path, name = parts, tmp_path / "a.safetensors", "leaves.1.network.stem.op.weight"
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors[name]).contiguous()
    header |= {"version": version}
    if version == 4:  # without a digest
        save_file(tensors, path, {"nas": json.dumps(header)})
    else:
        _stored(header, tensors, path)
    target = build_supernet(TINY, 1)
    with pytest.raises(ValueError, match=f"{name} {words}"):
        load_checkpoint(path, target)
    assert all(
        torch.equal(tensor, target.state_dict()[key]) for key, tensor in build_supernet(TINY, 1).state_dict().items()
    )


def test_a_version_has_a_digest_or_none(tmp_path: Path, parts: tuple[dict[str, Any], dict[str, Tensor]]) -> None:
    (header, tensors), path = parts, tmp_path / "a.safetensors"
    save_file(tensors, path, {"nas": json.dumps(header)})
    with pytest.raises(ValueError, match="has no digest"):
        load_checkpoint(path, build_supernet(TINY, 1))
    _stored(header | {"version": 4}, tensors, path)
    with pytest.raises(ValueError, match="is of version 4"):
        load_checkpoint(path, build_supernet(TINY, 1))


def test_whatever_is_damaged_is_found(tmp_path: Path) -> None:
    """A flipped bit in a weight is a number like any other: the digest tells."""
    content, path, rng = (FIXTURES / "supernet-5.safetensors").read_bytes(), tmp_path / "a.safetensors", Random(0)
    path.write_bytes(content)
    expected, loaded, taken = load_checkpoint(path, written := build_supernet(TINY, 1)), build_supernet(TINY, 1), 0

    def read() -> None:
        state = load_checkpoint(path, loaded)
        assert (state.step, state.plan, state.tensors.keys()) == (expected.step, expected.plan, expected.tensors.keys())
        assert all(torch.equal(tensor, state.tensors[name]) for name, tensor in expected.tensors.items())
        assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in written.state_dict().items())

    for _ in range(150):
        path.write_bytes(mutate_bytes(content, rng))
        taken += find_refusal(read) is None
    assert taken < 15  # what changes nothing, such as bytes by themselves


def test_any_header_is_refused_in_one_line_or_is_one(
    tmp_path: Path, parts: tuple[dict[str, Any], dict[str, Tensor]]
) -> None:
    (header, tensors), path, rng = parts, tmp_path / "a.safetensors", Random(0)
    for _ in range(60):
        save_file(tensors, path, {"nas": json.dumps(mutate_json(header | {"version": 4}, rng))})
        find_refusal(lambda: load_checkpoint(path, build_supernet(TINY, 1)))
