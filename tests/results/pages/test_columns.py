from __future__ import annotations

import pandas as pd

from results.metric import get_metric
from results.pages.columns import make_columns


def test_columns_follow_from_what_there_is() -> None:
    frame = pd.DataFrame(
        {
            "run": ["a", "a"],
            "sequence": [0, 1],
            "fidelity": [1.0, 1.0],
            "key": ["x", "y"],
            "accuracy": [90.0, 91.0],
            "accuracy_std": [1.0, float("nan")],
            "measured_accuracy": [97.255, float("nan")],
            "test_accuracy": [float("nan")] * 2,
            "energy_mj": [0.5, 2.0],
            "blocks": [12345.0, 3.0],
            "description": ["small", None],
        }
    )
    columns = make_columns(frame, [get_metric("energy_mj"), get_metric("accuracy")])
    assert [column.heading for column in columns] == [
        *("key", "energy_mj (mJ)", "accuracy (%)", "measured accuracy", "blocks", "run", "description")
    ]
    first, second = ([column.text(row) for column in columns] for row in frame.to_dict("records"))
    assert first == ["x", "0.5", "90.00 ± 1.65", "97.25", "12,345", "a", "small"]
    assert second == ["y", "2", "91.00", "", "3", "a", ""]
