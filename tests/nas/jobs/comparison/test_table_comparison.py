"""Comparisons on a table: what counts of it, and mistakes in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nas.jobs.comparison.compare import ComparisonPaths
from nas.search.comparison import Comparison
from results.pareto import hypervolume


def prepared(file: Path) -> Comparison:
    with ComparisonPaths(file, file.parent).open() as (comparison, _):
        return comparison


def test_only_feasible_networks_count(comparison_file: Callable[..., Path], table: pd.DataFrame) -> None:
    volume = prepared(comparison_file(limits={"parameters": 6.0})).measure_curve("linas", 0)[-1]
    kept = table[table["parameters"] <= 6]
    assert volume == pytest.approx(hypervolume(np.column_stack([-kept["accuracy"], kept["parameters"]]), [-50.0, 40.0]))


def test_genes_may_be_wired_to_a_cell(comparison_file: Callable[..., Path]) -> None:
    space = prepared(comparison_file(cell={"edges": [[0, 1], [1, 2]]})).problem.space
    everything = space.sample(np.random.default_rng(0), 5)
    assert everything.features().shape[1] > everything.one_hot().shape[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"searchers": ["multi_fidelity"]}, "searcher 'multi_fidelity' is told more than the others"),
        ({"cell": {"edges": [[1, 0], [1, 2]]}}, "an edge of a cell leads from a node to a higher one, got 1 to 0"),
        ({"cell": {"edges": [[0, 1]]}}, "the cell of space 'toy' has 1 edges, but 2 genes"),
        ({"searchers": ["random", "linas", "random"]}, "searchers: must be one or more names, each once"),
        ({"searchers": []}, "searchers: must be one or more names"),
        ({"genes": ["depth", "depth"]}, r"genes: must be one or more names, each once, got \['depth', 'depth'\]"),
        ({"genes": []}, "genes: must be one or more names"),
        ({"budgets": []}, "budgets: .* at least 1 item"),
        ({"searchers": ["oracle"]}, "unknown searcher 'oracle'; known searchers: linas"),
        ({"searchers": ["evolution"]}, "searcher 'evolution' takes 1 objective only, got 2; use one of linas"),
        ({"reference": {"accuracy": 50.0}}, r"reference needs a value for each of \['accuracy', 'parameters'\]"),
        ({"limits": {"energy": 5.0}}, "limits.energy must limit one of the objectives"),
        ({"budgets": [40, 5]}, r"budgets: must be rising numbers, got \[40, 5\]"),
        ({"genes": ["depth"]}, r"toy.csv, row 2 \(line 3\): has the genes of .*toy.csv, row 1 \(line 2\)"),
        ({"genes": ["depth", "height"]}, "toy.csv must have the columns depth, height, .*; it lacks height"),
        (
            {"reference": {"accuracy": 99.0, "parameters": 40.0}},
            "reference accuracy 99, parameters 40, best values",
        ),
        (
            {"reference": {"accuracy": 50.0, "parameters": 0.0}},
            "no network is better than the reference",
        ),
        ({"limits": {"accuracy": 99.0}}, "nothing satisfies accuracy >= 99: the nearest of 40 candidates has"),
        (
            {"objectives": {"accuracy": "maximise", "parameters": "minimize"}},
            "or 'maximize', got 'maximise'",
        ),
        ({"objectives": {"accuracy": "minimize", "parameters": "minimize"}}, "of accuracy, more is better everywhere"),
        ({"table": "none.csv"}, "none.csv"),
        (
            {"name": "../../elsewhere"},
            "name: must be at most 100 letters, digits, '_', '-' and '.', got '../../elsewhere'",
        ),
        ({"colour": "red"}, "unknown key 'colour'; known keys: name, reference"),
    ],
)
def test_mistakes_are_named(comparison_file: Callable[..., Path], changes: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        prepared(comparison_file(**changes))


def test_a_percentage_lies_between_0_and_100(
    comparison_file: Callable[..., Path], table: pd.DataFrame, tmp_path: Path
) -> None:
    file = comparison_file()
    table.loc[6, "accuracy"] = 999.0
    table.to_csv(tmp_path / "toy.csv", index=False)
    with pytest.raises(ValueError, match=r"toy.csv, row 7, column accuracy: must be from 0 to 100 %, got 999"):
        prepared(file)
