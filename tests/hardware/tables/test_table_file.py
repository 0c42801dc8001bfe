"""Latency tables survive the disk, and damaged files are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hardware.calibration.calibration import Calibration
from hardware.calibration.fit_quality import FitQuality
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensor_use import TensorUse
from hardware.device import Device, read_fingerprint
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from hardware.tables.table_file import SCHEMA_VERSION, load_table, save_table, to_frame
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.registry import parse_operator

STRANGE = {"constant_ms": 0.0, "tensors": {"two layers too": [0.0, 0.0]}, "quality": None}
STORED = sorted((Path(__file__).parents[2] / "fixtures" / "tables").glob("*.json"))
Damage = Callable[[pd.DataFrame], pd.DataFrame]


def test_round_trip(table: LatencyTable, tmp_path: Path) -> None:
    costs = {
        "float": TensorCost(0.001, 1e-7),
        "add(int8, float) -> 1 add(int8; 1 float), 2 int8": TensorCost(-0.002, 0.0),
    }
    tensors = TensorCosts({TensorUse.parse(text): cost for text, cost in costs.items()})
    layers = {segment: entry for segment, entry in table.entries.items() if len(segment) == 1}
    calibration = Calibration(0.02, tensors, FitQuality(3.5, 0.9, 0.95, 20))
    calibrated = replace(table, entries=layers).with_calibration(calibration, dict.fromkeys(layers, 1.25))
    save_table(calibrated, tmp_path / "calibrated.parquet")
    assert load_table(tmp_path / "calibrated.parquet") == calibrated
    assert [*pd.read_parquet(tmp_path / "calibrated.parquet").attrs["calibration"]["tensors"]] == [*costs]
    save_table(table, tmp_path / "deep" / "table.parquet")
    assert load_table(tmp_path / "deep" / "table.parquet") == table
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["table.parquet"]
    rows = pd.read_parquet(tmp_path / "deep" / "table.parquet")
    assert rows["entry"].tolist() == [0, 1, 2, 2]
    assert rows["latency_ms"].tolist() == [0.5, 0.25, 0.4, 0.4]
    assert rows["weight_bits"].tolist() == [32, 8, 8, 8]
    assert rows["energy_mj"].dropna().tolist() == [0.125]
    assert rows.attrs["device"]["threads"] == 2
    assert rows.attrs["fingerprint"] == read_fingerprint()


def test_round_trip_of_an_empty_table_of_an_unregistered_device(tmp_path: Path) -> None:
    table = LatencyTable(Device("phone", "tflite"), origin="imported", ignores=("bias",), constants={LATENCY: 0.5})
    save_table(table, tmp_path / "table.parquet")
    assert load_table(tmp_path / "table.parquet") == table


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda rows: rows.drop(columns="operator"), "its columns must be entry, .*; got entry"),
        (lambda rows: rows.assign(latency_ms=[0.5, np.nan, 1, 1]).drop(columns="energy_mj"), "it has empty cells"),
        (lambda rows: rows.assign(latency_ms=[0.5, 0.0, 1, 1]), "latency_ms must be positive and finite"),
        (lambda rows: rows.assign(latency_ms=[*"fast"]), "latency_ms must be positive and finite"),
        (lambda rows: rows.iloc[[0, 0]].assign(entry=[0, 1]), "it has several entries for the same layers"),
        (
            lambda rows: _with_attributes(rows, {"schema_version": SCHEMA_VERSION - 1}),
            f"its schema version is {SCHEMA_VERSION - 1}, this program reads {SCHEMA_VERSION}; make it anew with: nas",
        ),
        (
            lambda rows: _with_attributes(rows, {"schema_version": SCHEMA_VERSION + 1}),
            f"its schema version is {SCHEMA_VERSION + 1}, this program reads {SCHEMA_VERSION}; update this program",
        ),
        (lambda rows: _with_attributes(rows, {"schema_version": None}), "its schema version is None"),
        (lambda rows: rows.assign(latency_ms=[1, 1, 1, 2]), "the rows of entry 2 have different costs"),
        (lambda rows: _with_attributes(rows, {"origin": "guessed"}), "its origin must be one of"),
        (lambda rows: _with_attributes(rows, {"calibration": {"slop": 1}}), "its metadata are incomplete"),
        (lambda rows: _with_attributes(rows, {"calibration": [1]}), "its metadata are incomplete"),
        (
            lambda rows: _with_attributes(rows, {"calibration": STRANGE}),
            "a node is written like .* got 'two layers too'",
        ),
    ],
)
def test_damaged_tables_are_refused(table: LatencyTable, tmp_path: Path, damage: Damage, message: str) -> None:
    damage(to_frame(table)).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(ValueError, match=f"is not a latency table: {message}"):
        load_table(tmp_path / "table.parquet")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    with pytest.raises(FileNotFoundError):
        load_table(path)
    for content in (b"", b"layer,ms\n", b"PAR1 and no more"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a Parquet file"):
            load_table(path)


def _with_attributes(rows: pd.DataFrame, attributes: dict[str, Any]) -> pd.DataFrame:
    rows.attrs.update(attributes)
    return rows


def _layer(text: dict[str, Any]) -> tuple[LayerSpec, LayerPolicy]:
    activation = parse_operator(text["activation"]) if text["activation"] else None
    assert isinstance(activation, Activation | None)
    operator, shape = parse_operator(text["operator"]), tuple(text["input_shape"])
    layer = LayerSpec(text["name"], operator, shape, text["normalized"], activation)
    return layer, LayerPolicy.parse(text["policy"])


@pytest.mark.parametrize("prices", STORED, ids=lambda path: path.stem)
def test_tables_of_earlier_versions_give_the_prices_that_they_gave(prices: Path) -> None:
    known = json.loads(prices.read_text())
    tables = {name: load_table(prices.with_name(f"{prices.stem}_{name}.parquet")) for name in known["locations"]}
    assert {name: table.location for name, table in tables.items()} == known["locations"]
    for price in known["prices"]:
        assert tables[price["table"]].cost(price["metric"], [*map(_layer, price["layers"])]) == price["cost"]
    calibration = tables["calibrated"].calibration
    assert calibration.constant_ms == known["constant_ms"]
    for use, latency_ms in known["tensors_of_1000_elements"].items():
        assert calibration.tensors.price(TensorUse.parse(use), 1000) == latency_ms


def test_this_version_is_among_the_stored_ones() -> None:
    assert f"schema{SCHEMA_VERSION}" in [path.stem for path in STORED]
