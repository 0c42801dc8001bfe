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
from hardware.tables.table_file import is_sealed, load_table, save_table, to_frame
from hardware.tables.table_metadata import SCHEMA_VERSION
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.registry import parse_operator

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
    assert rows["weight_bits"].tolist() == [32, 7, 7, 7]
    assert rows["energy_mj"].dropna().tolist() == [0.125]
    assert rows.attrs["device"]["threads"] == 2
    assert rows.attrs["fingerprint"] == read_fingerprint()


def test_round_trip_of_an_empty_table_of_an_unregistered_device(tmp_path: Path) -> None:
    table = LatencyTable(Device("phone", "tflite"), origin="imported", ignores=("bias",), constants={LATENCY: 0.5})
    save_table(table, tmp_path / "table.parquet")
    assert load_table(tmp_path / "table.parquet") == table


def _of_before(rows: pd.DataFrame) -> pd.DataFrame:
    rows.attrs["schema_version"] = 3
    return rows.rename(columns={"operator": "kind"})


CELLS: list[tuple[Damage, str]] = [
    (_of_before, "its schema version is 3, this program reads 5; make it anew with: nas profile JOB, or nas tables"),
    (lambda rows: rows.drop(columns="operator"), "its columns must be entry, .*; got entry"),
    (lambda rows: rows.rename(columns={"energy_mj": "energy mj"}), "a metric has a name of letters, digits and '_'"),
    (
        lambda rows: rows.assign(latency_ms=[0.5, np.nan, 1, 1], energy_mj=np.nan),
        "column latency_ms, row 2: must have a cost",
    ),
    (
        lambda rows: rows.assign(latency_ms=[0.5, 0.0, 1, 1]),
        "column latency_ms, row 2: must be a positive and finite cost",
    ),
    (lambda rows: rows.assign(energy_mj=[1, 1, -0.1, -0.1]), "column energy_mj, row 3: must be a positive and finite"),
    (
        lambda rows: rows.assign(energy_mj=[1, np.inf, 1, 1]),
        "column energy_mj, row 2: must be a positive and finite cost",
    ),
    (
        lambda rows: rows.assign(latency_ms=[*"fast"]),
        "column latency_ms must hold a positive and finite cost in every row",
    ),
    (
        lambda rows: rows.assign(latency_ms=[1, 1, 1, 2]),
        "column latency_ms, row 4: must repeat row 3 of the same entry",
    ),
    (
        lambda rows: rows.assign(energy_mj=[1, 1, 1, np.nan]),
        "column energy_mj, row 4: must repeat row 3 of the same entry",
    ),
    (lambda rows: rows.assign(factor="1.0"), "column factor must hold a positive and finite number in every row"),
    (
        lambda rows: rows.assign(factor=[1, 1, np.nan, np.nan]),
        "column factor, row 3: must be a positive and finite number",
    ),
    (lambda rows: rows.assign(spread=-0.1), "column spread, row 1: must be a finite number of 0 or more, got -0.1"),
    (
        lambda rows: rows.assign(repeats=[1, 1, -2, -2]),
        "column repeats, row 3: must be a whole number of 0 or more, got -2",
    ),
    (lambda rows: rows.assign(weight_bits=[32, 9, 8, 8]), "column weight_bits, row 2: must be one of"),
    (lambda rows: rows.assign(name=["", None, "", ""]), "column name, row 2: is empty"),
    (lambda rows: rows.assign(name=["", "a\nb", "", ""]), "column name, row 2: must be a line of text, got 'a"),
    (lambda rows: rows.assign(normalized=[1, 1, 1, 0]), "column normalized must hold true or false in every row"),
    (lambda rows: rows.assign(input_shape="[32, 0, 16]"), "column input_shape, row 1: the sides of a layer's input"),
    (lambda rows: rows.assign(input_shape="[" * 9000), "column input_shape, row 1: a shape is written like"),
    (lambda rows: rows.assign(activation="add"), "column activation, row 1: an activation is written like"),
    (
        lambda rows: _replaced(rows, "in_channels=32", "in_channels=-1"),
        "column operator, row 1: in_channels of operator",
    ),
    (
        lambda rows: _replaced(rows, "in_features=64", "in_features=1" + 30 * "0"),
        "column operator, row 2: in_features of",
    ),
    (lambda rows: rows.iloc[[0, 0]].assign(entry=[0, 1]), "column entry, row 2: another entry is of the same layers"),
]


@pytest.mark.parametrize(("damage", "message"), CELLS)
def test_a_wrong_cell_is_named(table: LatencyTable, tmp_path: Path, damage: Damage, message: str) -> None:
    damage(to_frame(table)).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(ValueError, match=f"table.parquet is not a latency table: {message}"):
        load_table(tmp_path / "table.parquet")


def test_a_byte_that_changed_is_found_out(table: LatencyTable, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    save_table(table, path)
    content = path.read_bytes()
    assert is_sealed(path)
    for at in range(0, len(content), 41):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(ValueError, match=r"table\.parquet is not a latency table: it"):
            load_table(path)


def test_a_table_that_was_changed_with_pandas_is_read(table: LatencyTable, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    save_table(table, path)
    pd.read_parquet(path).query("latency_ms < 0.3").assign(energy_mj=2.0).to_parquet(path)
    (entry,) = load_table(path).entries.values()
    assert entry.values == {LATENCY: 0.25, "energy_mj": 2.0}
    assert not is_sealed(path)


def test_few_bytes_that_declare_many_rows_are_refused(table: LatencyTable, tmp_path: Path) -> None:
    rows = to_frame(table)
    many = rows.iloc[np.zeros(600_000, dtype=int)]
    many.attrs = rows.attrs
    many.to_parquet(tmp_path / "table.parquet", index=False)
    with pytest.raises(ValueError, match="a table has 500,000 rows at most, got 600,000"):
        load_table(tmp_path / "table.parquet")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    with pytest.raises(FileNotFoundError):
        load_table(path)
    pd.DataFrame({"a": [1]}).to_parquet(path)
    for content in (path.read_bytes(), b"", b"layer,ms\n", b"PAR1 and no more"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"is not a latency table: it (is not a Parquet file|has no attributes)"):
            load_table(path)


def _replaced(rows: pd.DataFrame, old: str, new: str) -> pd.DataFrame:
    return rows.assign(operator=rows["operator"].str.replace(old, new))


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
