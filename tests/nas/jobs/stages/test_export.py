"""What the table of exported networks says, and that its files are named by their roles."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

COLUMNS = [
    "role",
    "key",
    "predicted_accuracy",
    "measured_accuracy",
    "expected_accuracy",
    "expected_accuracy_std",
    "test_accuracy",
    "predicted_latency_ms",
    "measured_latency_ms",
    "weight_bytes",
    "file",
]


def test_columns_and_files_follow_from_the_objectives(finished_run: Path) -> None:
    (folder,) = finished_run.glob("small/export-*")
    table = pd.read_csv(folder / "networks.csv")
    assert table.columns.tolist() == COLUMNS
    assert table["role"].tolist() == ["best accuracy", "balanced"]
    names = [f"{role.replace(' ', '-')}-{key[:8]}.onnx" for role, key in zip(table["role"], table["key"], strict=True)]
    assert table["file"].tolist() == names
    layers = pd.read_csv(folder / "layers.csv")
    assert set(layers["file"]) == set(names)
    assert layers["policy"].str.fullmatch(r"w(32a32|8a8|4a8)").all()
