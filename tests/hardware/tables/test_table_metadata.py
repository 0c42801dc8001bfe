"""Metadata that no table has are refused, when a file is read and when a table is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hardware.calibration.calibration import Calibration
from hardware.calibration.fit_quality import FitQuality
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensor_use import TensorUse
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from hardware.tables.table_file import load_table, save_table, to_frame
from hardware.tables.table_metadata import SCHEMA_VERSION

NAN = float("nan")
QUALITY = {"error_percent": 3.5, "kendall_tau": 0.9, "explained": 0.95, "networks": 20}


def _calibration(**changes: Any) -> dict[str, Any]:
    return {"calibration": {"constant_ms": 0.0, "tensors": {}, "quality": None, **changes}}


def _device(**changes: Any) -> dict[str, Any]:
    precision = {"weight_bits": [32], "activation_bits": 32}
    device = {"name": "npu", "runtime": "x", "threads": 1, "batch": 1, "precisions": [precision], "processor": "cpu"}
    return {"device": {**device, **changes}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"schema_version": SCHEMA_VERSION - 1},
            "its schema version is 4, this program reads 5; make it anew with: nas",
        ),
        ({"schema_version": SCHEMA_VERSION + 1}, "its schema version is 6, this program reads 5; update this program"),
        ({"schema_version": None}, "its schema version is None"),
        ({"schema_version": True}, "its schema version is True"),
        ({"origin": "guessed"}, "of its metadata, origin: input should be 'measured', 'imported' or 'estimated'"),
        ({"more": 1}, "unknown key more, got 1|unknown key more"),
        ({"ignores": ["kernel"]}, "ignores.0: input should be 'activation', 'bias' or 'normalized'"),
        ({"constants": {LATENCY: -5.0}}, "constants.latency_ms: input should be greater than or equal to 0, got -5.0"),
        ({"constants": {LATENCY: NAN}}, "constants.latency_ms: input should be a finite number, got nan"),
        ({"constants": {"a b": 1.0}}, "constants.a b"),
        ({"reference_ms": -1.0}, "reference_ms: input should be greater than 0, got -1.0"),
        ({"reference_ms": 10**30}, "reference_ms: input should be less than or equal to"),
        ({"fingerprint": None}, "fingerprint: input should be an object, got None"),
        ({"fingerprint": {"cpu": 1}}, "fingerprint.cpu: input should be a valid string, got 1"),
        ({"date": "yesterday"}, "date: invalid isoformat string: 'yesterday'"),
        ({"calibration": [1]}, "calibration: input should be an object"),
        (_calibration(slope=1), "unknown key calibration.slope"),
        (_calibration(constant_ms=NAN), "calibration.constant_ms: input should be a finite number, got nan"),
        (_calibration(constant_ms="1"), "calibration.constant_ms: input should be a valid number, got '1'"),
        (
            _calibration(tensors={"two layers too": [0.0, 0.0]}),
            "calibration.tensors: a node is written like .* got 'two layers too'",
        ),
        (
            _calibration(tensors={"int8 -> 999999999 int8": [0.0, 0.0]}),
            "a tensor has from 1 to 10,000 readers of a kind",
        ),
        (_calibration(tensors={"int8": [0.0]}), "calibration.tensors.int8.1 is missing"),
        (_calibration(tensors={"int8": [0.0, NAN]}), "calibration.tensors.int8.1: input should be a finite number"),
        (
            _calibration(quality={**QUALITY, "explained": NAN}),
            "calibration.quality.explained: input should be a finite",
        ),
        (
            _calibration(quality={**QUALITY, "explained": 2.0}),
            "calibration.quality.explained: input should be less than",
        ),
        (
            _calibration(quality={**QUALITY, "networks": 1.5}),
            "calibration.quality.networks: input should be a valid int",
        ),
        (
            _calibration(quality={**QUALITY, "error_percent": -1.0}),
            "calibration.quality.error_percent: input should be",
        ),
        (_device(name="a\nb"), "device.name: text should be one line of characters that can be printed"),
        (_device(name=""), "device.name: string should have at least 1"),
        (_device(threads=0), "device.threads: input should be greater than or equal to 1, got 0"),
        (_device(batch=10**30), "device.batch: input should be less than or equal to"),
        (_device(precisions=[]), "device.precisions: tuple should have at least 1 item"),
        (_device(precisions=[{"weight_bits": [9], "activation_bits": 8}]), "device.precisions.0.weight_bits.0: input"),
        (_device(precisions=[{"weight_bits": [8, 4], "activation_bits": 8}]), "weight bit-widths, ascending"),
    ],
)
def test_files_with_wrong_metadata_are_refused(
    table: LatencyTable, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    rows = to_frame(table)
    rows.attrs.update(changes)
    rows.to_parquet(tmp_path / "table.parquet")
    with pytest.raises(ValueError, match=f"table.parquet is not a latency table: .*{message}") as refused:
        load_table(tmp_path / "table.parquet")
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("attributes", ["{", "[" * 100_000, "[1]", "null", json.dumps({"schema_version": 5})])
def test_metadata_that_are_no_object_of_a_table_are_refused(
    table: LatencyTable, tmp_path: Path, attributes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = to_frame(table)
    monkeypatch.setattr("json.dumps", lambda _: attributes)
    rows.to_parquet(tmp_path / "table.parquet")
    with pytest.raises(
        ValueError,
        match=r"table: (its metadata are not JSON|its schema version is None|of its metadata, device is missing)",
    ):
        load_table(tmp_path / "table.parquet")


@pytest.mark.parametrize(
    "change",
    [
        {"reference_ms": NAN},
        {"constants": {LATENCY: -1.0}},
        {"calibration": Calibration(constant_ms=NAN)},
        {"calibration": Calibration(tensors=TensorCosts({TensorUse.parse("int8"): TensorCost(NAN, 0.0)}))},
        {"calibration": Calibration(quality=FitQuality(3.5, 0.9, NAN, 20))},
    ],
)
def test_a_table_that_no_file_may_hold_is_not_written(
    table: LatencyTable, tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="input should be"):
        save_table(replace(table, **change), tmp_path / "table.parquet")
    assert not [*tmp_path.iterdir()]
