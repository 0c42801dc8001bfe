"""Limits that are shares of the given network: it is measured once, and fronts keep what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from nas.cli.main import app
from nas.evaluation.realize import CandidateRealizer
from results.database.results_database import ResultsDatabase

NETWORK = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
"""
JOB: dict[str, Any] = {
    "name": "small",
    "data": {"source": "photos.npz", "labelled": False},
    "space": {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w32a32", "w8a8", "w4a8", "w2a8"]},
    "search": {
        "searcher": "allocation",
        "evaluations": 16,
        "objectives": ["explained_variance", "weight_bytes"],
        "limits": {"explained_variance": "98 % of given", "weight_bytes": "70 % of given"},
    },
    "export": {"count": 1},
}


def search(folder: Path, **changed: Any) -> str:
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB | {"search": JOB["search"] | changed}))
    ended = CliRunner().invoke(app, ["compress", "job.yaml"])
    return ended.output if ended.exception is None else str(ended.exception)


@pytest.fixture
def folder(bring_network: Callable[..., Path]) -> Path:
    """The current folder, with a module that makes a network, and images without labels."""
    folder = bring_network(NETWORK)
    np.savez(folder / "photos.npz", images=np.random.default_rng(0).integers(0, 256, (150, 8, 8), dtype=np.uint8))
    return folder


def test_the_given_network_is_measured_once_and_the_front_keeps_its_shares(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = search(folder)
    assert "explained_variance must be 0.9800 or more, 98 % of given: it was 1.0000" in said
    with ResultsDatabase(f"sqlite:///{folder / 'runs' / 'results.db'}") as database:
        front = database.frame(source="expected")
        measured = database.frame(source="measured")
    whole = measured["weight_bytes"].max()
    assert (measured["weight_bytes"] > 0.7 * whole).any()  # uniform policies, which tell that they do not keep it
    assert len(front)
    assert (front["weight_bytes"] <= 0.7 * whole).all()
    assert (front["expected_explained_variance"] >= 0.98).all()

    def measure_again(*_: object, **__: object) -> None:
        raise AssertionError("it was measured")

    monkeypatch.setattr(CandidateRealizer, "measure_network", measure_again)
    again = search(folder)
    assert "98 % of given: it was 1.0000" in again
    assert "export   done before" in again


def test_a_search_begun_before_limits_were_budgets_goes_on_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("nas.jobs.stages.search_identity._has_budgets", lambda _: False)
        search(folder, evaluations=12)
    with ResultsDatabase(f"sqlite:///{folder / 'runs' / 'results.db'}") as database:
        runs = {*database.frame()["run"]}
    assert "export   done before" in search(folder, evaluations=12)
    with ResultsDatabase(f"sqlite:///{folder / 'runs' / 'results.db'}") as database:
        assert {*database.frame()["run"]} == runs


def test_the_cheapest_network_above_a_floor_is_found(folder: Path) -> None:
    asked: dict[str, Any] = {"objectives": ["weight_bytes"], "limits": {"explained_variance": "98 % of given"}}
    said = search(folder, **asked, evaluations=10)
    assert "must be 11 or more, as the 4 uniform policies are measured first after up to 7 steps of a bisecti" in said
    assert not [*folder.glob("runs/small/*-*")]
    search(folder, **asked, evaluations=12)
    with ResultsDatabase(f"sqlite:///{folder / 'runs' / 'results.db'}") as database:
        measured, (cheapest,) = database.frame(source="measured"), database.frame(source="expected")["weight_bytes"]
    assert len(measured) == 12
    assert cheapest == measured["weight_bytes"][measured["explained_variance"] >= 0.98].min()
    assert cheapest < 0.3 * measured["weight_bytes"].max()


def test_a_share_of_what_is_0_is_refused_before_anything_is_searched(folder: Path) -> None:
    limits = {"output_divergence": "101 % of given"}
    said = search(folder, objectives=["output_divergence", "weight_bytes"], limits=limits)
    assert "output_divergence of the network as given is 0; state a number" in said
    assert not [*folder.glob("runs/small/sensitivity-*")]
