"""A comparison of searchers: the table, the page, and what is finished is kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from nas.jobs.comparison.compare import ComparisonPaths, compare
from nas.jobs.console.reporter import Reporter
from nas.jobs.stage_folder import StageFolder
from results.pareto import hypervolume


def test_everybody_finds_the_exact_front_in_the_end(
    comparison_file: Callable[..., Path], table: pd.DataFrame, tmp_path: Path
) -> None:
    said, file = io.StringIO(), comparison_file(budgets=[5, 40, 50])
    reporter = Reporter(Console(file=said, width=120))
    found = compare(ComparisonPaths(file, tmp_path / "runs"), 1, reporter)  # an example takes two workers
    exact = hypervolume(np.column_stack([-table["accuracy"], table["parameters"]]), [-50.0, 40.0])
    assert found.columns.tolist() == ["searcher", "seed", "evaluations", "hypervolume"]
    assert len(found) == 2 * 2 * 3
    assert "compare  toy.csv has 40 networks; all are found within 50" in said.getvalue()
    assert np.allclose(found[found["evaluations"] == 40]["hypervolume"], exact)
    assert (found[found["evaluations"] == 5]["hypervolume"] < exact).all()
    (page,) = (tmp_path / "runs").glob("compare-toy-*/curves.html")
    assert "linas" in page.read_text()
    assert "linas" in said.getvalue()
    kept = page.with_name("linas-0.csv").stat().st_mtime_ns
    file = comparison_file(searchers=["linas", "random", "nsga2"], budgets=[5, 40, 50])
    more = compare(ComparisonPaths(file, tmp_path / "runs"), 1, Reporter(Console(file=io.StringIO())))
    assert len(more) == 3 * 2 * 3
    assert page.with_name("linas-0.csv").stat().st_mtime_ns == kept
    _refuse_what_is_damaged(file, page.parent)


def _refuse_what_is_damaged(file: Path, folder: Path) -> None:
    """Nothing runs again: all pairs are there, and none of them holds what was found."""

    def again() -> None:
        compare(ComparisonPaths(file, folder.parent), 1, Reporter(Console(file=io.StringIO())))

    curves, kept = [*folder.glob("*-[0-9].csv")], folder / "random-1.csv"
    for damage in ("", "hypervolume\n1\n", kept.read_text().replace(",5,", ",7,"), kept.read_text()[:-9] + "nan\n"):
        kept.write_text(damage)
        with pytest.raises(ValueError, match=r"random-1.csv is damaged.*; put back what was there, or delete"):
            again()
    for curve in curves:
        name, _, seed = curve.stem.partition("-")
        rows = [f"{name},{seed},{budget},0.0" for budget in (5, 40, 50)]
        curve.write_text("\n".join(["searcher,seed,evaluations,hypervolume", *rows]) + "\n")
    StageFolder(folder).record(*(curve.name for curve in curves))
    with pytest.raises(ValueError, match=r"all volumes are 0: nothing that was found .* is better than the reference"):
        again()


def test_what_is_wrong_is_said_before_anything_runs(
    comparison_file: Callable[..., Path], table: pd.DataFrame, tmp_path: Path
) -> None:
    file = comparison_file()
    table.astype({"accuracy": object}).replace({"accuracy": {table["accuracy"][6]: "oom"}}).to_csv(
        tmp_path / "toy.csv", index=False
    )
    with pytest.raises(ValueError, match=r"toy.csv, row 7 \(line 8\), column accuracy: must be a number .*got 'oom'"):
        compare(ComparisonPaths(file, tmp_path / "runs"), 1, Reporter(Console(file=io.StringIO())))
    assert not (tmp_path / "runs").exists()
