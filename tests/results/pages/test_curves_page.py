from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import t

from results.pages.curves_page import write_curves_page


def test_each_searcher_has_its_mean_in_an_interval_over_seeds(tmp_path: Path) -> None:
    rows = [(name, seed, n, 10.0 * n + seed) for name in ("<linas>", "random") for seed in range(3) for n in (1, 2)]
    frame = pd.DataFrame(rows, columns=["searcher", "seed", "evaluations", "hypervolume"])
    path = tmp_path / "new" / "curves.html"
    write_curves_page(frame, path, "linas & random")
    text = path.read_text(encoding="utf-8")
    assert "<h1>linas &amp; random</h1>" in text
    assert "<linas>" not in text
    bands = [[float(value) for value in band.split(",")] for band in re.findall(r'"y":\[([-\d.,]+)\],"type"', text)]
    half = t.ppf(0.975, 2) / 3**0.5  # the standard deviation of 0, 1 and 2 is 1
    assert pytest.approx([11 + half, 21 + half, 21 - half, 11 - half]) in bands
