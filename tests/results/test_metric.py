from __future__ import annotations

import numpy as np

from results.metric import METRICS, metric


def test_only_maximised_metrics_change_sign() -> None:
    assert metric("accuracy").costs(np.array([90.0, 95.0])).tolist() == [-90.0, -95.0]
    assert [name for name, entry in METRICS.items() if entry.costs(1.0) != 1.0] == [
        "accuracy",
        "expected_accuracy",
        "test_accuracy",
        "worst_class_accuracy",
    ]
