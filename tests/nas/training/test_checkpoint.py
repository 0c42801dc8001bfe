"""Checkpoints come back bit by bit, and foreign or damaged files are refused in one line, untouched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from search_spaces.elastic.registry import supernet
from search_spaces.elastic.supernet import Supernet
from search_spaces.registry import search_space

STATE = TrainingState(3, "a schedule")


def net(name: str = "resnet_digits", classes: int = 10, seed: int = 0) -> Supernet:
    return supernet(search_space(name, 1, classes), seed)


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


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "cannot read the checkpoint"),
        (lambda path: path.write_bytes(b""), "cannot read the checkpoint"),
        (lambda path: path.write_bytes(b"\x80\x04K*."), "cannot read the checkpoint"),  # a pickle is not opened
        (lambda path: path.unlink(), "cannot read the checkpoint"),
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


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"could not write .*a\.safetensors"):
        save_checkpoint(tmp_path / "nowhere" / "a.safetensors", net(), STATE)
