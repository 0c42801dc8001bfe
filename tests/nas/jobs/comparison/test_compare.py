"""A comparison of searchers: the table, the page, what is finished is kept, and mistakes in one line."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from nas.jobs.comparison.compare import ComparisonPaths, compare
from nas.jobs.console.reporter import Reporter
from nas.search.comparison import Comparison
from results.pareto import hypervolume

COMPARISON = {
    "name": "toy",
    "table": "toy.csv",
    "genes": ["depth", "width"],
    "objectives": {"accuracy": "maximize", "parameters": "minimize"},
    "reference": {"accuracy": 50.0, "parameters": 40.0},
    "searchers": ["linas", "random"],
    "budgets": [5, 40],
    "seeds": 2,
}


@pytest.fixture
def table() -> pd.DataFrame:
    """40 networks; the deeper and wider, the better and the larger."""
    frame = pd.DataFrame([(d, w) for d in range(5) for w in range(8)], columns=["depth", "width"])
    frame["parameters"] = (frame["depth"] + 1) * (frame["width"] + 1)
    frame["accuracy"] = 90 - 60 / (frame["depth"] + frame["width"] + 1)
    return frame


@pytest.fixture
def file(table: pd.DataFrame, tmp_path: Path) -> Path:
    table.to_csv(tmp_path / "toy.csv", index=False)
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(COMPARISON))
    return tmp_path / "toy.yaml"


def prepared(file: Path) -> Comparison:
    return ComparisonPaths(file, file.parent).prepare()[0]


def test_everybody_finds_the_exact_front_in_the_end(file: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    said = io.StringIO()
    found = compare(
        ComparisonPaths(file, tmp_path / "runs"), 1, Reporter(Console(file=said, width=120))
    )  # an example takes two
    exact = hypervolume(np.column_stack([-table["accuracy"], table["parameters"]]), [-50.0, 40.0])
    assert found.columns.tolist() == ["searcher", "seed", "evaluations", "hypervolume"]
    assert len(found) == 2 * 2 * 2
    assert np.allclose(found[found["evaluations"] == 40]["hypervolume"], exact)
    assert (found[found["evaluations"] == 5]["hypervolume"] < exact).all()
    (page,) = (tmp_path / "runs").glob("compare-toy-*/curves.html")
    assert "linas" in page.read_text()
    assert "linas" in said.getvalue()
    kept = page.with_name("linas-0.csv").stat().st_mtime_ns
    file.write_text(yaml.safe_dump(COMPARISON | {"searchers": ["linas", "random", "nsga2"]}))
    more = compare(ComparisonPaths(file, tmp_path / "runs"), 1, Reporter(Console(file=io.StringIO())))
    assert len(more) == 3 * 2 * 2
    assert page.with_name("linas-0.csv").stat().st_mtime_ns == kept


def test_only_feasible_networks_count(file: Path, table: pd.DataFrame) -> None:
    file.write_text(yaml.safe_dump(COMPARISON | {"limits": {"parameters": 6.0}}))
    volume = prepared(file).curve("linas", 0)[-1]
    kept = table[table["parameters"] <= 6]
    assert volume == pytest.approx(hypervolume(np.column_stack([-kept["accuracy"], kept["parameters"]]), [-50.0, 40.0]))


def test_genes_may_be_wired_to_a_cell(file: Path) -> None:
    file.write_text(yaml.safe_dump(COMPARISON | {"cell": {"edges": [[0, 1], [1, 2]]}}))
    space = prepared(file).problem.space
    everything = space.sample(np.random.default_rng(0), 5)
    assert everything.features().shape[1] > everything.one_hot().shape[1]


LIVE = {
    "name": "live",
    "reference": {"accuracy": 5.0, "latency_ms": 10.0, "weight_bytes": 1e6},
    "searchers": ["linas", "random"],
    "budgets": [2, 5],
    "seeds": 2,
}


def test_searchers_measure_on_a_trained_supernet(job_file: Path, finished_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "live.yaml"
    path.write_text(yaml.safe_dump(LIVE | {"job": str(job_file)}))
    runs = shutil.copytree(finished_run, tmp_path / "runs")
    found = compare(ComparisonPaths(path, runs), 1, Reporter(Console(file=io.StringIO())))  # an example takes two
    assert len(found) == 2 * 2 * 2
    after = found.pivot_table(index=["searcher", "seed"], columns="evaluations", values="hypervolume")
    assert (after[2] > 0).all()  # better than the reference of 5 %: subnets have 34 or more, whatever the arithmetic
    assert (after[5] >= after[2]).all()
    with pytest.raises(ValueError, match="needs a trained supernet; make it with: nas train JOB"):
        compare(ComparisonPaths(path, tmp_path / "elsewhere"), 1, Reporter(Console(file=io.StringIO())))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"searchers": ["multi_fidelity"]}, "searcher 'multi_fidelity' is told more than the others"),
        ({"cell": {"edges": [[1, 0], [1, 2]]}}, "an edge of a cell leads from a node to a higher one, got 1 to 0"),
        ({"cell": {"edges": [[0, 1]]}}, "the cell of space 'toy' has 1 edges, but 2 genes"),
        ({"searchers": ["random", "linas", "random"]}, "searchers must not repeat"),
        ({"searchers": ["oracle"]}, "unknown searcher 'oracle'; known searchers: linas"),
        ({"searchers": ["evolution"]}, "searcher 'evolution' takes 1 objective only, got 2; use one of linas"),
        ({"reference": {"accuracy": 50.0}}, r"reference needs a value for each of \['accuracy', 'parameters'\]"),
        ({"limits": {"energy": 5.0}}, "limits.energy must limit one of the objectives"),
        ({"budgets": [40, 5]}, r"budgets must be one or more rising numbers from 1, got \[40, 5\]"),
        ({"genes": ["depth"]}, "must list each of 5 combinations once, got 40 rows"),
        ({"genes": ["depth", "height"]}, r"lacks the columns \['height'\]"),
        ({"objectives": {"accuracy": "minimize", "parameters": "minimize"}}, "of accuracy, more is better everywhere"),
        ({"table": "none.csv"}, "none.csv"),
        ({"colour": "red"}, "unknown key 'colour'; known keys: name, reference"),
    ],
)
def test_mistakes_are_named(file: Path, changes: dict[str, object], message: str) -> None:
    file.write_text(yaml.safe_dump(COMPARISON | changes))
    with pytest.raises((ValueError, OSError), match=message):
        prepared(file)
