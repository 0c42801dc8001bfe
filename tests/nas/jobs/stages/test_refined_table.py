"""A table is calibrated anew on what was exported by it, and is another table then."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from hardware.tables.table_file import load_table
from nas.cli.main import app

JOB = {
    "name": "one",
    "data": {"source": "digits", "limit": 300},
    "space": {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w32a32", "w8a8"]},
    "device": {"calibration_networks": 6, "accept_poor_fit": True},
    "search": {"searcher": "nsga2", "evaluations": 6, "objectives": ["accuracy", "latency_ms"]},
    "export": {"count": 2},
}
NETWORK = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    body = [layer for _ in range(3) for layer in (nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())]
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), *body, nn.Flatten(), nn.Linear(256, 10)).eval()
"""


def profile(*options: str) -> str:
    ended = CliRunner().invoke(app, ["profile", "job.yaml", *options])
    return ended.output.replace("\n", "") if ended.exception is None else str(ended.exception)


def test_exported_networks_enter_the_calibration_of_another_table(bring_network: Callable[..., Path]) -> None:
    folder = bring_network(NETWORK, JOB)
    assert "make it with: nas profile JOB" in profile("--exported")
    profile()
    assert "exported no network of its space that was timed here" in profile("--exported")
    assert "leave one out" in profile("--exported", "--ray-address", "auto", "--resource", "pi5")
    ended = CliRunner().invoke(app, ["run", "job.yaml"])
    assert ended.exit_code == 0, ended.output
    (before,) = folder.glob("runs/one/profile-*/latency.parquet")
    written = before.read_bytes()
    said = profile("--exported")
    assert re.search(r"[12] exported networks were [\d.]+ % off on average, and are [\d.]+ % off", said), said
    (after,) = {*folder.glob("runs/one/profile-*/latency.parquet")} - {before}
    assert before.read_bytes() == written
    assert f"state it as device.table, to search by it: {after.relative_to(folder)}" in said
    old, new = load_table(before), load_table(after)
    assert new.entries.keys() == old.entries.keys()
    assert all(new.entries[one].values == old.entries[one].values for one in old.entries)
    assert old.calibration.quality is not None
    assert new.calibration.quality is not None
    assert old.calibration.quality.networks == 6
    assert 6 <= new.calibration.quality.networks <= 8
    assert new.calibration != old.calibration
    changed = after.stat().st_mtime_ns
    assert "exported networks were" in profile("--exported")
    assert after.stat().st_mtime_ns == changed


def test_a_job_without_latency_has_none_to_refine(bring_network: Callable[..., Path]) -> None:
    search = {"searcher": "nsga2", "evaluations": 3, "objectives": ["accuracy", "weight_bytes"]}
    bring_network(NETWORK, JOB | {"search": search})
    assert "asks for no latency, so it has no table to refine" in profile("--exported")
