"""A job on a network that is brought along: from its file to checked ONNX; what is refused costs no time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_model
from typer.testing import CliRunner

from nas.cli.main import app

NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.mix, self.head = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, classes)

    def forward(self, images):
        x = torch.relu(self.norm(self.stem(images)))
        x = torch.cumsum(self.mix(torch.relu(self.mix(x))), 1)
        return self.head(x.mean((2, 3)))

class Pair(Net):
    def forward(self, images):
        logits = super().forward(images)
        return logits, logits

def many():
    return Net(classes=12)

class Idle(Net):
    def __init__(self):
        super().__init__()
        self.aux = nn.Linear(8, 10)

class Standardised(Idle):
    def forward(self, images):
        weight = self.mix.weight - self.mix.weight.mean((1, 2, 3), keepdim=True)
        x = nn.functional.conv2d(torch.relu(self.stem(images)), weight, padding=1)
        return self.head(x.mean((2, 3)))

def broken():
    raise RuntimeError("no weights\\nhere")

def not_a_number():
    net = Net()
    net.mix.weight.data[0, 0, 0, 0] = float("nan")
    return net

def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

def text():
    return "a network"
"""
JOB: dict[str, Any] = {
    "name": "mine",
    "space": {"network": "brought:Net", "inputs": [1, 8, 8], "policies": ["w32a32", "w8a8", "w4a8"]},
    "device": {"calibration_networks": 6},
    "search": {"evaluations": 12, "objectives": ["accuracy", "latency_ms", "weight_bytes"]},
    "export": {"count": 2},
}


@pytest.fixture
def folder(bring_network: Callable[..., Path]) -> Path:
    """The current folder, with a module that makes networks."""
    path = bring_network(NETWORK)
    (path / "torn.py").write_text("def make(:")
    return path


def test_nothing_but_the_file_the_device_and_data_are_needed(folder: Path) -> None:
    sys.path.append(str(folder))
    from brought import Net

    torch.manual_seed(5)
    save_model(Net(), str(folder / "net.safetensors"))
    job = {**JOB, "space": {**JOB["space"], "weights": "net.safetensors"}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    first = CliRunner().invoke(app, ["run", "job.yaml"])
    assert first.exit_code == 0, first.output
    assert "network  3 layers, called 4 times" in first.output
    assert "not understood, and run as it is at full precision: aten.cumsum.default (1)" in first.output
    (exported,) = folder.glob("runs/mine/export-*")
    networks = pd.read_csv(exported / "networks.csv")
    assert len(networks) == 2
    layers = pd.read_csv(exported / "layers.csv")
    assert layers["layer"].tolist() == ["stem", "mix", "head"] * 2
    assert set(layers["file"]) == set(networks["file"])
    assert set(layers["policy"]) <= {"w32a32", "w8a8", "w4a8"}
    for row in networks.itertuples():
        session = onnxruntime.InferenceSession(exported / str(row.file), providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        assert session.run(None, {given.name: torch.zeros(3, 1, 8, 8).numpy()})[0].shape == (3, 10)
    again = CliRunner().invoke(app, ["run", "job.yaml"])
    assert "export   done before" in again.output, again.output
    assert "network  3 layers, called 4 times" in again.output
    for pattern in ("network-*/network.txt", "network-*/network.safetensors", "profile-*/latency.parquet"):
        (stored,) = folder.glob(f"runs/mine/{pattern}")
        content = stored.read_bytes()
        stored.write_bytes(content[:-20] + b"0" + content[-19:])
        damaged = CliRunner().invoke(app, ["run", "job.yaml"])
        assert f"{stored.relative_to(folder)} is damaged or was changed" in str(damaged.exception), damaged.output
        stored.write_bytes(content)
    (stored.parent / "finished.json").unlink()
    unrecorded = CliRunner().invoke(app, ["run", "job.yaml"])
    assert "latency.parquet is there without" in str(unrecorded.exception), unrecorded.output


def test_what_never_runs_is_told_and_left_out(folder: Path) -> None:
    (folder / "job.yaml").write_text(yaml.safe_dump({**JOB, "space": {**JOB["space"], "network": "brought:Idle"}}))
    stored = CliRunner().invoke(app, ["train", "job.yaml"])
    assert stored.exit_code == 0, stored.output
    assert "never run, and left out with their weights: aux of brought:Idle" in stored.output
    assert "network  3 layers, called 4 times" in stored.output


def test_a_part_whose_weight_is_standardised_runs_though_it_is_never_called(folder: Path) -> None:
    rule = {"name": "mix", "policies": ["w8a8"]}
    space = {**JOB["space"], "network": "brought:Standardised", "policies_for": [rule]}
    (folder / "job.yaml").write_text(yaml.safe_dump({**JOB, "space": space}))
    stored = CliRunner().invoke(app, ["train", "job.yaml"])
    assert stored.exit_code == 0, stored.output
    assert "left out with their weights: norm, aux of brought:Standardised" in stored.output


def test_one_policy_leaves_one_network_which_is_profiled_searched_and_exported(folder: Path) -> None:
    space = {**JOB["space"], "network": "brought:flat", "policies": ["w8a8"]}
    (folder / "job.yaml").write_text(yaml.safe_dump({**JOB, "space": space, "export": {"count": 3}}))
    first = CliRunner().invoke(app, ["run", "job.yaml"])
    assert first.exit_code == 0, first.output
    assert "whole networks fitted, but too few to hold one out: the error is unknown" in first.output
    (networks,) = folder.glob("runs/mine/export-*/networks.csv")
    assert len(pd.read_csv(networks)) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "brought"}, ["my_package.models:make_net", "got 'brought'"]),
        ({"network": "absent_package:make"}, ["absent_package:make cannot be imported"]),
        ({"network": "brought:nothing"}, ["brought:nothing cannot be imported"]),
        ({"network": "brought:broken"}, ["raised RuntimeError at brought.py:36", "no weights here"]),
        ({"network": "brought:text"}, ["must be a torch.nn.Module, got str"]),
        ({"network": "brought:many"}, ["must return one tensor of 10 logits per image, got (12,)"]),
        ({"network": "brought:Pair"}, ["must return one tensor of 10 logits", "and"]),
        ({"network": "brought:not_a_number"}, ["weights must be finite", "mix.weight"]),
        ({"inputs": [3, 8, 8]}, ["brought:Net raised RuntimeError at brought.py:12: Given groups=1, weight of size"]),
        (
            {"inputs": [1, 200, 200], "network": "brought:flat"},
            ["brought:flat raised RuntimeError at brought.py:43: mat1 and mat2 shapes cannot be multiplied"],
        ),
        ({"inputs": [1, 8, 6]}, ["space.inputs", "square images", "[1, 8, 6]"]),
        ({"inputs": [8, 8]}, ["space.inputs", "or of tokens, (length,), got [8, 8]"]),
        ({"inputs": None}, ["a given network needs inputs", "[3, 32, 32]"]),
        ({"weights": "brought.py"}, ["weights must be a safetensors file", "brought.py"]),
        ({"weights": "net.pt"}, ["weights must be a safetensors file", "pickle can run code"]),
        ({"policies_for": [{"name": "trunk", "policies": ["w8a8"]}]}, ["found by name=trunk", "stem"]),
        (
            {"network": "brought:Idle", "policies_for": [{"name": "aux", "policies": ["w8a8"]}]},
            ["space.policies_for names aux, which never runs in brought:Idle; leave it out"],
        ),
        ({"name": "resnet_digits"}, ["either name", "or network", "not both"]),
        ({"only": {"depth": [1]}}, ["a given network has no choices"]),
        ({"network": "timm:resnet18"}, ["comes without weights; name their safetensors file"]),
        ({"network": "torn:make"}, ["torn:make raised SyntaxError at torn.py:1"]),
    ],
)
def test_a_network_that_cannot_be_used_is_refused(
    changes: dict[str, Any], words: list[str], folder: Path, refusal: Callable[..., str]
) -> None:
    torch.save({"stem.weight": torch.zeros(1)}, folder / "net.pt")
    space = {key: value for key, value in {**JOB["space"], **changes}.items() if value is not None}
    (folder / "job.yaml").write_text(yaml.safe_dump({**JOB, "space": space}))
    line = refusal("run", "job.yaml")
    assert all(word in line for word in words), line
    assert not [path for path in folder.glob("runs/mine/*") if path.name.startswith(("network", "profile"))]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training": {"epochs": 1}}, ["is trained already; leave out the section training"]),
        ({"search": {"searcher": "few_shot"}}, ["'few_shot' is for few-shot supernets"]),
        ({"device": {"name": "torch_cpu"}}, ["timed as an ONNX file", "'torch_cpu'"]),
        ({"data": {"mean": [0.5]}}, ["mean and std are given together"]),
        ({"data": {"mean": [0.5, 0.5], "std": [0.5, 0.5]}}, ["one value per channel, 1, got 2"]),
    ],
)
def test_sections_that_do_not_go_with_it_are_refused(
    changes: dict[str, Any], words: list[str], folder: Path, refusal: Callable[..., str]
) -> None:
    (folder / "job.yaml").write_text(yaml.safe_dump({**JOB, **changes}))
    line = refusal("run", "job.yaml")
    assert all(word in line for word in words), line
