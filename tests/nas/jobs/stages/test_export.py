"""What the table of exported networks says, and that its files are named by their roles."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pandas as pd
import pytest

from nas.export.target import ExportTarget
from nas.jobs.files.device_section import DeviceSection
from nas.verification.checks import check_model
from nas.verification.manifest_file import read_manifest, read_samples

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
    manifest = json.loads((folder / "finished.json").read_text())
    assert manifest["about"] == {name: {"opset": 14, "ir_version": 7, "onnxruntime": "1.8"} for name in names}
    for name in names:
        notes = {entry.key: entry.value for entry in onnx.load(folder / name).metadata_props}
        assert json.loads(notes["names"]) == [str(number) for number in range(10)]
        assert [len(json.loads(notes[key])) for key in ("mean", "std")] == [1, 1]
        assert notes["onnxruntime"] == "1.8 or later"
    layers = pd.read_csv(folder / "layers.csv")
    assert set(layers["file"]) == set(names)
    assert layers["policy"].str.fullmatch(r"w(32a32|8a8|4a8)").all()


def test_files_are_for_the_runtime_on_which_latency_counts() -> None:
    targets = {name: DeviceSection(name=name).target for name in ("openvino_cpu", "onnxruntime_cpu", "torch_cuda")}
    assert targets.pop("openvino_cpu") == ExportTarget.parse("openvino>=2025.0")
    targets["npu"] = DeviceSection(name="npu", table="npu.parquet").target
    assert set(targets.values()) == {ExportTarget()}


def test_every_file_says_what_it_is_and_passes_its_checks(finished_run: Path) -> None:
    (folder,) = finished_run.glob("small/export-*")
    table, layers = pd.read_csv(folder / "networks.csv"), pd.read_csv(folder / "layers.csv")
    for row in table.itertuples():
        file = folder / row.file
        manifest = read_manifest(file)
        checks = check_model(file.read_bytes(), manifest, read_samples(file, manifest))
        assert [check.name for check in checks if not check.passed] == []
        assert manifest.candidate == row.key
        assert [*manifest.policies.values()] == layers["policy"][layers["file"] == row.file].tolist()
        assert manifest.metrics["accuracy"].value == pytest.approx(row.test_accuracy)
        assert manifest.latency is not None
        assert manifest.latency.predicted_ms == pytest.approx(row.predicted_latency_ms)
        assert manifest.latency.measured_ms == pytest.approx(row.measured_latency_ms)
