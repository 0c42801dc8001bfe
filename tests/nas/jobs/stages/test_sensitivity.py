"""A given network is compressed by the damage that each policy does to each layer; the damage is measured once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from nas.cli.main import app

NETWORK = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))
"""
JOB: dict[str, Any] = {
    "name": "small",
    "space": {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w32a32", "w8a8", "w4a8", "w2a8"]},
    "search": {"evaluations": 10, "objectives": ["accuracy", "weight_bytes"]},
    "export": {"count": 1},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a module that makes a network, and a job on it."""
    (tmp_path / "brought.py").write_text(NETWORK)
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(JOB))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "brought", raising=False)
    return tmp_path


def test_damage_is_measured_once_and_believed_while_it_is_whole(folder: Path) -> None:
    first = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert first.exit_code == 0, first.output
    assert "measuring 8 policies of 2 layers" in first.output
    (table,) = folder.glob("runs/small/sensitivity-*/damage.csv")
    damage = pd.read_csv(table)
    assert damage["layer"].tolist() == [0] * 4 + [4] * 4
    assert (damage.loc[damage["policy"] == "w32a32", "damage"] == 0).all()
    assert (damage.loc[damage["policy"] == "w2a8", "damage"] > 0).all()
    assert list(folder.glob("runs/small/export-*/*.onnx"))
    again = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert "measuring" not in again.output
    assert "export   done before" in again.output
    table.write_text(table.read_text().replace("w2a8", "w3a8"))
    damaged = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert f"{table.relative_to(folder)} is damaged" in str(damaged.exception)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"space": {"name": "resnet_digits", "policies": ["w8a8"]}},
            "nas compress is for a trained network, and the job names none",
        ),
        ({"search": {"objectives": ["accuracy"]}}, "searcher 'allocation' takes 2 or more objectives, got 1"),
        (
            {"search": {"searcher": "allocation", "options": {"sensitivity": "guess"}}},
            "unknown sensitivity metric 'guess'; known sensitivity",
        ),
        (
            {"search": {"objectives": ["accuracy", "macro_f1"]}},
            "trades what is measured, such as accuracy, for what is tabulated",
        ),
    ],
)
def test_what_cannot_be_compressed_is_refused_in_one_line(folder: Path, changes: dict[str, Any], words: str) -> None:
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB | changes))
    refused = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert words in str(refused.exception)
    assert "\n" not in str(refused.exception)


def test_what_is_repaired_is_another_run_than_what_is_not(folder: Path) -> None:
    for repair in ("compress", "run"):
        job = JOB | {"search": {**JOB["search"], "searcher": "allocation", "evaluations": 5}}
        (folder / "job.yaml").write_text(yaml.safe_dump(job))
        assert CliRunner().invoke(app, [repair, "job.yaml"]).exit_code == 0
    assert len(list(folder.glob("runs/small/export-*"))) == 2


def test_supernets_are_not_repaired(folder: Path) -> None:
    job = JOB | {"space": {"name": "resnet_digits", "policies": ["w8a8"]}, "compression": {"repair": "light"}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    refused = CliRunner().invoke(app, ["run", "job.yaml"])
    assert "compression.repair is for a given network, and the job names a space" in str(refused.exception)


def test_a_searcher_that_compresses_needs_a_network(folder: Path) -> None:
    job = JOB | {"space": {"name": "resnet_digits", "policies": ["w8a8"]}, "search": {"searcher": "allocation"}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    refused = CliRunner().invoke(app, ["run", "job.yaml"])
    assert "searcher 'allocation' compresses one network, and measures it; name a space.network" in str(
        refused.exception
    )
