"""Comparisons on the supernet of a job: every searcher measures."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from nas.jobs.comparison.compare import ComparisonPaths, compare
from nas.jobs.console.reporter import Reporter

COMPARISON = {
    "name": "live",
    "reference": {"accuracy": 5.0, "latency_ms": 10.0, "weight_bytes": 1e6},
    "searchers": ["linas", "random"],
    "budgets": [2, 5],
    "seeds": 2,
}


def test_searchers_measure_on_a_trained_supernet(job_file: Path, finished_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "live.yaml"
    path.write_text(yaml.safe_dump(COMPARISON | {"job": str(job_file)}))
    runs = shutil.copytree(finished_run, tmp_path / "runs")
    found = compare(ComparisonPaths(path, runs), 1, Reporter(Console(file=io.StringIO())))  # an example takes two
    assert len(found) == 2 * 2 * 2
    after = found.pivot_table(index=["searcher", "seed"], columns="evaluations", values="hypervolume")
    assert (after[2] > 0).all()  # better than the reference of 5 %: subnets have 34 or more, whatever the arithmetic
    assert (after[5] >= after[2]).all()
    for reference in ({"accuracy": 100.0}, {"latency_ms": 0.0}):
        path.write_text(
            yaml.safe_dump(COMPARISON | {"job": str(job_file), "reference": COMPARISON["reference"] | reference})
        )
        with pytest.raises(ValueError, match="no network is better than the reference in every objective"):
            compare(ComparisonPaths(path, runs), 1, Reporter(Console(file=io.StringIO())))
    path.write_text(yaml.safe_dump(COMPARISON | {"job": str(job_file)}))
    with pytest.raises(ValueError, match="needs a trained supernet; make it with: nas train JOB"):
        compare(ComparisonPaths(path, tmp_path / "elsewhere"), 1, Reporter(Console(file=io.StringIO())))
