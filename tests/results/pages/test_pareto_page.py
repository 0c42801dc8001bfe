from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results.metric import get_metric
from results.pages.pareto_page import write_pareto_page

TRADE = [get_metric("latency_ms"), get_metric("accuracy"), get_metric("weight_bytes")]


def made_up_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    latency = rng.uniform(1, 10, 50)
    accuracy = 90 + np.log(latency) - rng.uniform(0, 2, 50)
    keys = [f"{number:016x}" for number in range(0xA0000000, 0xA0000032)]
    return pd.DataFrame(
        {"key": keys, "latency_ms": latency, "accuracy": accuracy, "weight_bytes": rng.uniform(1e5, 1e6, 50)}
    )


def written(frame: pd.DataFrame, folder: Path, title: str = "Made up") -> tuple[str, list[str]]:
    """The page without its script libraries, and the keys in the table."""
    path = folder / "new" / "page.html"
    write_pareto_page(frame, TRADE, path, title)
    text = path.read_text(encoding="utf-8")
    return text, re.findall(r'<td class="key">(\w+)</td>', text)


def test_the_page_needs_no_network_and_lists_the_front(tmp_path: Path) -> None:
    frame = made_up_frame()
    text, listed = written(frame, tmp_path)
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", text)
    assert "Plotly.newPlot" in text
    assert '"modeBarButtonsToRemove": ["sendChartToCloud"' in text
    assert "latency_ms (ms), less is better" in text
    costs = frame[["latency_ms", "accuracy", "weight_bytes"]].to_numpy() * [1, -1, 1]
    front = [key for key, row in zip(frame["key"], costs, strict=True) if not (costs < row).all(axis=1).any()]
    assert sorted(listed) == sorted(front)
    assert all(key in text for key in frame["key"])


@pytest.mark.parametrize("kind", ["verified", "measured"])
def test_measured_rows_alone_make_the_front_and_exported_ones_are_labelled(kind: str, tmp_path: Path) -> None:
    frame = made_up_frame().assign(group=["searched"] * 40 + [kind] * 8 + ["exported"] * 2)
    text, listed = written(frame, tmp_path)
    assert set(listed) <= set(frame["key"][40:])
    assert f"of 10 {kind} evaluations are on the Pareto front." in text
    assert f"{kind} (8)" in text
    assert f'"text":["{frame["key"][48][:8]}","{frame["key"][49][:8]}"]' in text


def test_the_front_shows_the_intervals_of_a_metric_whose_deviation_is_known(tmp_path: Path) -> None:
    frame = made_up_frame()
    assert '"error_y":{"visible":false}' in written(frame, tmp_path)[0]
    text, listed = written(frame.assign(accuracy_std=1.0), tmp_path)
    assert _bars(text) == [[1.645] * len(listed)] * 2
    near_all = frame.assign(accuracy=99.0 + 0.01 * frame["accuracy"], accuracy_std=1.0)
    text_near_all, listed_near_all = written(near_all, tmp_path)
    above, below = _bars(text_near_all)
    assert below == [1.645] * len(listed_near_all)
    shown = near_all["accuracy"][near_all["key"].isin(listed_near_all)]
    assert sorted(above) == pytest.approx(sorted(100.0 - shown))  # nothing is more accurate than 100 %
    accuracy = frame.set_index("key")["accuracy"][listed[0]]
    assert f'<td class="number">{accuracy:.2f} ± 1.65</td>' in text


def test_any_metrics_are_traded(tmp_path: Path) -> None:
    frame = made_up_frame().rename(columns={"weight_bytes": "energy_mj"}).assign(macs=1234567.0)
    path = tmp_path / "page.html"
    write_pareto_page(frame, [get_metric("energy_mj"), get_metric("macs")], path, "Energy")
    text = path.read_text(encoding="utf-8")
    assert "1 of 50 searched evaluations are on the Pareto front. energy_mj (mJ): less is better, macs" in text
    assert '<td class="number">1,234,567</td>' in text
    assert '<th class="number">accuracy</th>' in text  # not traded, and shown


def _bars(page: str) -> list[list[float]]:
    """How far the error bars of the accuracy reach upwards and downwards."""
    ((above, below),) = re.findall(r'"error_y":\{"array":\[([^]]*)\],"arrayminus":\[([^]]*)\]', page)
    return [[float(half) for half in side.split(",")] for side in (above, below)]


def test_all_text_is_escaped(tmp_path: Path) -> None:
    evil = "</script><b onclick=x>&"
    page = tmp_path / "evil.html"
    write_pareto_page(made_up_frame().assign(description=evil), TRADE, page, evil, evil, [(evil, evil)])
    text = page.read_text(encoding="utf-8")
    assert evil not in text
    assert "<b onclick" not in text
    assert "<h1>&lt;/script&gt;" in text


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two or more metrics, got"):
        write_pareto_page(made_up_frame(), TRADE[:1], tmp_path / "page.html", "t")
    with pytest.raises(ValueError, match="one of searched, measured, verified, exported; got chosen"):
        write_pareto_page(made_up_frame().assign(group="chosen"), TRADE, tmp_path / "page.html", "t")
    with pytest.raises(ValueError, match="no evaluation has all of latency_ms, accuracy, weight_bytes; columns: key"):
        write_pareto_page(made_up_frame().drop(columns="accuracy"), TRADE, tmp_path / "page.html", "t")


def test_a_front_that_the_caller_knows_is_shown_as_it_is(tmp_path: Path) -> None:
    """It may have limits, of which the page knows nothing."""
    frame = made_up_frame()
    known = frame["weight_bytes"] < 2e5
    assert known.any()
    text, listed = written(frame.assign(front=known, group="measured"), tmp_path)
    assert sorted(listed) == sorted(frame["key"][known])
    assert f"{known.sum()} of 50 measured evaluations are on the Pareto front." in text
    assert "<th" in text
    assert ">front</th>" not in text
