"""A report says of each sensitivity metric what its table is worth on the network of a job, or why there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import spearmanr
from typer.testing import CliRunner

from nas.cli.main import app
from results.database.results_database import ResultsDatabase

NETWORK = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))
"""
JOB: dict[str, Any] = {
    "name": "small",
    "data": {"source": "digits", "limit": 300},
    "space": {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w8a8", "w4a8", "w2a8"]},
    "search": {"evaluations": 4, "objectives": ["explained_variance", "weight_bytes"]},
    "export": {"count": 1},
}


@pytest.fixture
def folder(bring_network: Callable[..., Path]) -> Path:
    return bring_network(NETWORK, JOB)


def test_each_metric_is_held_against_what_random_policies_cost_as_measured(folder: Path) -> None:
    asked = ["weight_distortion", "arank", "output_distortion"]
    found = CliRunner().invoke(app, ["sensitivity", "job.yaml", "--metrics", ",".join(asked)])
    assert found.exit_code == 0, found.output
    (path,) = folder.glob("runs/small/metrics-*/metrics.csv")
    report = pd.read_csv(path, index_col="metric")
    assert report.index.tolist() == asked
    assert "arank is not measurable: " in found.output
    assert "attention" in report.loc["arank", "not_measurable"]
    assert report.loc["arank", ["additivity_r2", "rank_correlation", "seconds"]].isna().all()
    damage = pd.read_csv(path.with_name("layers.csv"), dtype={"layer": str}).set_index(["layer", "policy"])
    assert damage.columns.tolist() == [asked[0], asked[2]]
    with ResultsDatabase(f"sqlite:///{folder / 'runs' / 'results.db'}") as database:
        rows = database.frame(source="measured")
        policies = [database.candidate(key).policy.layers for key in rows["key"]]
    assert len(policies) == 9  # all that there are, by 30 random ones
    tables = {one.parent: one for one in folder.glob("runs/small/sensitivity-*/damage.csv")}
    for metric in (asked[0], asked[2]):
        known = damage[metric].to_numpy()
        (table,) = (at for at, one in tables.items() if (pd.read_csv(one)["damage"].to_numpy() == known).all())
        quality = json.loads((table / "additivity.json").read_text())
        assert quality["name"] == metric
        assert report.loc[metric, ["additivity_r2", "seconds"]].tolist() == [quality["r2"], quality["seconds"]]
        sums = [damage[metric]["0", str(first)] + damage[metric]["3", str(last)] for first, last in policies]
        expected = spearmanr(sums, -rows["explained_variance"]).statistic
        np.testing.assert_allclose(float(report.loc[metric, "rank_correlation"]), expected)
    again = CliRunner().invoke(app, ["sensitivity", "job.yaml", "--metrics", "output_distortion"])
    assert "damage   measuring" not in again.output
    assert pd.read_csv(path)["metric"].tolist() == asked  # the report of others is another one
    added = "sensitivity compression.repair: light, compression.observer: mse, where the job says nothing"
    assert f"{added}, as nas compress does" in again.output
    assert "searcher" not in again.output
    options = {"searcher": "allocation", "options": {"sensitivity": "output_distortion"}}
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB | {"search": JOB["search"] | options}))
    compressed = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert compressed.exit_code == 0, compressed.output
    assert "damage   measuring" not in compressed.output
    next(folder.glob("runs/small/sensitivity-*/damage.csv")).write_text("layer,policy,damage\n")
    damaged = CliRunner().invoke(app, ["sensitivity", "job.yaml", "--metrics", ",".join(asked)])
    assert damaged.exit_code != 0
    assert "damage.csv is damaged" in str(damaged.exception)


def test_metrics_that_need_labels_are_listed_where_there_are_none(folder: Path) -> None:
    job = JOB | {"data": {"source": "digits", "limit": 100, "labelled": False}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    found = CliRunner().invoke(app, ["sensitivity", "job.yaml", "--metrics", "z_score,measured_loss"])
    assert found.exit_code == 0, found.output
    assert "measured_loss is not measurable: this needs labels and a task" in found.output
    report = pd.read_csv(next(folder.glob("runs/small/metrics-*/metrics.csv")), index_col="metric")
    assert report["additivity_r2"].notna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ("weight_distortion,guess", "unknown sensitivity metric 'guess'; known sensitivity metrics: weight_distortion"),
        ("fisher,fisher", "--metrics must name each metric once, got 'fisher,fisher'"),
    ],
)
def test_wrong_names_are_refused(folder: Path, refusal: Callable[..., str], metrics: str, words: str) -> None:
    assert words in refusal("sensitivity", str(folder / "job.yaml"), "--metrics", metrics)
