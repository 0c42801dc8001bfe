"""A comparison of searchers: the table, the page, and what is finished is kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from nas.jobs.comparison.compare import ComparisonPaths, compare
from nas.jobs.console.reporter import Reporter
from results.pareto import hypervolume


def test_everybody_finds_the_exact_front_in_the_end(
    comparison_file: Callable[..., Path], table: pd.DataFrame, tmp_path: Path
) -> None:
    said, file = io.StringIO(), comparison_file()
    reporter = Reporter(Console(file=said, width=120))
    found = compare(ComparisonPaths(file, tmp_path / "runs"), 1, reporter)  # an example takes two workers
    exact = hypervolume(np.column_stack([-table["accuracy"], table["parameters"]]), [-50.0, 40.0])
    assert found.columns.tolist() == ["searcher", "seed", "evaluations", "hypervolume"]
    assert len(found) == 2 * 2 * 2
    assert np.allclose(found[found["evaluations"] == 40]["hypervolume"], exact)
    assert (found[found["evaluations"] == 5]["hypervolume"] < exact).all()
    (page,) = (tmp_path / "runs").glob("compare-toy-*/curves.html")
    assert "linas" in page.read_text()
    assert "linas" in said.getvalue()
    kept = page.with_name("linas-0.csv").stat().st_mtime_ns
    file = comparison_file(searchers=["linas", "random", "nsga2"])
    more = compare(ComparisonPaths(file, tmp_path / "runs"), 1, Reporter(Console(file=io.StringIO())))
    assert len(more) == 3 * 2 * 2
    assert page.with_name("linas-0.csv").stat().st_mtime_ns == kept
