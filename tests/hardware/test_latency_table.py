"""Latency tables price layers, name what they lack, survive the disk and refuse damaged files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hardware.calibration import Calibration
from hardware.device import Device, fingerprint, onnxruntime_cpu
from hardware.latency_table import LatencyTable, MissingLatency
from hardware.profiler import Timing
from search_spaces.candidate import LayerPolicy
from search_spaces.layers import LayerSpec

CONV = LayerSpec("stem", "conv", 32, 64, 3, stride=2, input_size=16, activation="relu")
LINEAR = LayerSpec("head", "linear", 64, 10, bias=True, normalized=False)
Damage = Callable[[pd.DataFrame], pd.DataFrame]
W32, W8, W4 = LayerPolicy(), LayerPolicy(8, 8), LayerPolicy(4, 8)


@pytest.fixture
def table() -> LatencyTable:
    entries = {(CONV.shape, "fp32"): Timing(0.5, 0.1, 60), (LINEAR.shape, "int8"): Timing(0.25, 0.0, 60)}
    return LatencyTable(onnxruntime_cpu(threads=2)).with_entries(entries, fingerprint())


def test_prices_a_layer_whatever_its_name(table: LatencyTable) -> None:
    assert table.latency_ms(replace(CONV, name="elsewhere"), W32) == 0.5
    assert table.latency_ms(LINEAR, W4) == table.latency_ms(LINEAR, W8) == 0.25


def test_missing_entry_is_an_error_that_names_it(table: LatencyTable) -> None:
    with pytest.raises(MissingLatency) as caught:
        table.latency_ms(CONV, W8)
    assert str(caught.value) == (
        "no latency for 'conv 3x3 s2 g1 32->64 at 16px +bn+relu' at int8 in 'onnxruntime_cpu'; "
        "measure it with: nas profile JOB, without device.table"
    )


def test_missing_lists_each_shape_and_precision_once_in_order(table: LatencyTable) -> None:
    twin = replace(CONV, name="twin")
    assert table.missing([LINEAR, CONV, twin], [W8, W4, W32]) == [(LINEAR.shape, "fp32"), (CONV.shape, "int8")]
    with pytest.raises(ValueError, match="runs no layer at w4a4"):
        table.missing([CONV], [LayerPolicy(4, 4)])


def test_round_trip(table: LatencyTable, tmp_path: Path) -> None:
    table = table.with_calibration(Calibration(1.1, 0.02, 3.5, None, 20))
    table.save(tmp_path / "deep" / "table.parquet")
    assert LatencyTable.load(tmp_path / "deep" / "table.parquet") == table
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["table.parquet"]
    frame = pd.read_parquet(tmp_path / "deep" / "table.parquet")
    assert frame["median_ms"].tolist() == [0.5, 0.25]
    assert frame.attrs["device"]["threads"] == 2
    assert frame.attrs["fingerprint"] == fingerprint()


def test_round_trip_of_an_empty_table_of_an_unregistered_device(tmp_path: Path) -> None:
    table = LatencyTable(Device("phone", "tflite"))
    table.save(tmp_path / "table.parquet")
    assert LatencyTable.load(tmp_path / "table.parquet") == table


def test_entries_of_two_machines_do_not_mix(table: LatencyTable) -> None:
    with pytest.raises(ValueError, match=r"measured on another machine .*is 'abacus'"):
        table.with_entries({}, {**fingerprint(), "cpu": "abacus"})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda frame: frame.drop(columns="stride"), "its columns must be kind, .*; got kind"),
        (lambda frame: frame.assign(median_ms=[0.5, np.nan]), "median_ms must be positive and finite"),
        (lambda frame: frame.assign(median_ms=[0.5, 0.0]), "median_ms must be positive and finite"),
        (lambda frame: frame.assign(median_ms=["fast", "slow"]), "median_ms must be positive and finite"),
        (lambda frame: frame.iloc[[0, 0]], "it has several rows for one layer"),
        (lambda frame: _with_attributes(frame, {"schema_version": 99}), "its schema version is 99"),
        (lambda frame: _with_attributes(frame, {"calibration": {"slop": 1}}), "its metadata are incomplete"),
    ],
)
def test_damaged_tables_are_refused(table: LatencyTable, tmp_path: Path, damage: Damage, message: str) -> None:
    damage(table.frame()).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(ValueError, match=f"is not a latency table: {message}"):
        LatencyTable.load(tmp_path / "table.parquet")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    with pytest.raises(FileNotFoundError):
        LatencyTable.load(path)
    for content in (b"", b"layer,ms\n", b"PAR1 and no more"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a Parquet file"):
            LatencyTable.load(path)


def _with_attributes(frame: pd.DataFrame, attributes: dict[str, Any]) -> pd.DataFrame:
    frame.attrs.update(attributes)
    return frame
