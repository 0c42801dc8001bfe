from __future__ import annotations

import numpy as np
import pytest

from results.metric import METRICS, metric


def test_only_maximised_metrics_change_sign() -> None:
    assert metric("accuracy").costs(np.array([90.0, 95.0])).tolist() == [-90.0, -95.0]
    assert [name for name, entry in METRICS.items() if entry.costs(1.0) != 1.0] == [
        "accuracy",
        "expected_accuracy",
        "test_accuracy",
    ]


def test_unknown_metric_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"'latency'; known: accuracy, expected_accuracy, test_accuracy, latency_ms, .*energy_mj"
    ):
        metric("latency")
