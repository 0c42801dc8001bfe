from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results.metric import get_metric
from results.pareto import hypervolume, non_dominated


def test_ties_are_kept_and_weakly_dominated_rows_are_not() -> None:
    costs = np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 0.0], [1.0, 2.0]])
    assert non_dominated(costs).tolist() == [True, True, True, False]
    assert non_dominated(np.empty((0, 2))).tolist() == []


def test_matches_the_definition_on_random_costs_with_ties() -> None:
    costs = np.random.default_rng(0).integers(0, 6, size=(200, 3)).astype(float)
    beaten = [bool(np.any(np.all(costs <= row, axis=1) & np.any(costs < row, axis=1))) for row in costs]
    assert non_dominated(costs).tolist() == [not lost for lost in beaten]


def test_hypervolume_of_rectangles() -> None:
    costs = np.array([[1.0, 2.0], [2.0, 1.0], [9.0, 0.0]])
    assert hypervolume(costs, [3.0, 3.0]) == 3.0
    assert hypervolume(np.empty((0, 2)), [3.0, 3.0]) == 0.0


@pytest.mark.parametrize("costs", [[[1.0, np.nan]], [1.0, 2.0], np.empty((3, 0))])
def test_what_cannot_be_compared_is_refused(costs: object) -> None:
    with pytest.raises(ValueError, match=r"costs must have shape|NaN in row 0"):
        non_dominated(costs)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"costs must have shape|NaN in row 0"):
        hypervolume(costs, [3.0, 3.0])  # type: ignore[arg-type]


def test_the_reference_must_fit_the_costs() -> None:
    with pytest.raises(ValueError, match="one finite number for each of 2 costs"):
        hypervolume([[1.0, 2.0]], [3.0])


@pytest.mark.parametrize(
    ("device", "distinct", "rows", "volume"),
    [
        ("eyeriss", 16, 19, 74.8843),
        ("pixel3", 43, None, 307.1688),
        ("2080ti_256", 48, None, 311.3255),
        ("gold_6240", 39, None, 182.3871),
    ],
)
def test_nasbench201_fronts(reference_data: Path, device: str, distinct: int, rows: int | None, volume: float) -> None:
    folder = reference_data / "nasbench201"
    accuracy = pd.read_csv(folder / "accuracy.csv", index_col="index")["cifar10_test_200e"]
    latency = pd.read_csv(folder / "latency.csv", index_col="index")[device].loc[accuracy.index]
    costs = np.stack([get_metric("accuracy").costs(accuracy), get_metric("latency_ms").costs(latency)], axis=1)
    front = costs[non_dominated(costs)]
    assert len(np.unique(front, axis=0)) == distinct
    assert rows is None or len(front) == rows
    assert hypervolume(costs, [-85.0, float(latency.max())]) == pytest.approx(volume, abs=5e-5)


def test_ofa_front_and_hypervolume_per_run(reference_data: Path) -> None:
    subnets = pd.read_csv(reference_data / "ofa_mbv3_accuracy" / "subnets.csv")
    costs = np.stack([-subnets["top1"].to_numpy(), subnets["macs"].to_numpy() / 1e6], axis=1)
    assert len(np.unique(costs[non_dominated(costs)], axis=0)) == 69
    volumes = {str(run): hypervolume(costs[subnets["run"] == run], [-70.0, 600.0]) for run in subnets["run"].unique()}
    published = {
        "evoga_acc": 2762.0,
        "linasga_acc": 2753.6,
        "evounsga3_acc_macs_params": 2914.8,
        "evonsga2_acc_macs": 2984.4,
    }
    assert volumes == pytest.approx(published, abs=0.05)
