"""A small table of networks, and the file of a comparison on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

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
def comparison_file(table: pd.DataFrame, tmp_path: Path) -> Callable[..., Path]:
    """Writes the file of a comparison on the table, with some keys changed."""
    table.to_csv(tmp_path / "toy.csv", index=False)

    def write(**changes: object) -> Path:
        (tmp_path / "toy.yaml").write_text(yaml.safe_dump(COMPARISON | changes))
        return tmp_path / "toy.yaml"

    return write
