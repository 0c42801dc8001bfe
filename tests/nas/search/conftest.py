"""NAS-Bench-201 as a space to search."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from search_spaces.families.tabular import TabularSpace


@pytest.fixture(scope="session")
def nasbench201(reference_data: Path) -> TabularSpace:
    """All 15,625 cells: six genes, and the columns `cifar10_test_200e` (percent) and `eyeriss` (milliseconds)."""
    cells = pd.read_csv(reference_data / "nasbench201" / "accuracy.csv")
    cells["eyeriss"] = pd.read_csv(reference_data / "nasbench201" / "latency.csv")["eyeriss"]
    edges = [f"edge{number}" for number in range(6)]
    cells[edges] = [re.findall(r"([a-z_0-9]+)~\d", cell) for cell in cells["arch"]]
    return TabularSpace("nasbench201", cells, edges)
