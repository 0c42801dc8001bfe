"""Latency tables, published tables that are imported, descriptions of devices, and tables of transfers."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
from fuzzer import Attempt, Format, require
from mutations import CELLS, NUMBERS, OTHERS, TEXTS, mutate_bytes, mutate_cells, mutate_json, mutate_yaml, to_csv

from hardware.calibration.calibration import Calibration
from hardware.calibration.fit_quality import FitQuality
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensor_use import TensorUse
from hardware.importers.registry import import_table
from hardware.tables.latency_table import LatencyTable
from hardware.tables.plausibility import check_plausible
from hardware.tables.pricing import tabulate_prices
from hardware.tables.roofline import Roofline
from hardware.tables.table_file import load_table, save_table, to_frame
from nas.jobs.console.table_summary import describe_table
from nas.jobs.files.roofline_file import load_roofline
from nas.jobs.files.transfer_files import TransferFiles
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

W32, W8 = LayerPolicy(), LayerPolicy.quantized(8, 8)
SPACE = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace((W32, W8)))
GENES = SPACE.sample(np.random.default_rng(0), 50).genes
_STORABLE = [text for text in TEXTS if "\ud800" not in text]  # as Parquet has texts in UTF-8
APQ = "\n".join(
    ["in_c,out_c,kernel,stride,groups,in_size,w_bits,a_bits,latency_ms,energy_mj"]
    + [f"{shape},{bits},{bits},0.1,0.2" for shape in ("3,32,3,2,1,224", "32,16,1,1,1,112") for bits in (4, 8)]
)
OFA = """resolution,op,in_h,in_w,in_c,out_h,out_w,out_c,mid_c,kernel,stride,se,hs,mean_ms,std_ms,count
160,Conv,160,160,3,80,80,24,,,,,,0.5,0.01,498
160,expanded_conv,80,80,24,40,40,32,96,3,2,0,1,0.7,0.02,100
160,expanded_conv,40,40,32,40,40,32,128,5,1,1,1,0.7,0.02,100
160,Conv_1,5,5,192,5,5,1152,,,,,,0.4,0.01,500
160,AvgPool2D,5,5,1152,1,1,1152,,,,,,0.008,0.0006,491
160,Conv_2,1,1,1152,1,1,1536,,,,,,0.7,0.1,500
160,Logits,1,1,1536,1,1,1000,,,,,,0.6,0.1,500
"""
HAWQ = """name,params,macs,latency_ms_int4,latency_ms_int8
stage1.unit1.quant_convbn1,36864,115605504,0.21,0.36
stage2.unit1.quant_identity_convbn,8192,6422528,0.06,0.09
"""
NPU = """name: npu
peak_gops: {w32a32: 50, w8a8: 4e2}
bandwidth_gb_s: 12.8
overhead_us: 2
energy_pj: {w32a32: 4.6, w8a8: 0.3}
"""
TRANSFER = {
    "known": "\n".join(["network,one,two", *(f"n{i},{1 + i % 3},{2 + i % 5}" for i in range(12))]),
    "features": "\n".join(["network,a,b", *(f"n{i},{i % 3},{i % 5}" for i in range(12))]),
    "measured": "network,latency_ms\nn1,2\nn2,3\nn3,1\nn7,4\n",
}


def use_table(table: LatencyTable) -> None:
    """What is done with a table that was read; nonsense must not have passed."""
    describe_table(table)
    check_plausible(table)
    for entry in table.entries.values():
        require(all(0 < value < math.inf for value in entry.values.values()), f"a cost of {entry.values}")
        require(0 < entry.factor < math.inf, f"a factor of {entry.factor}")
    for segment in table.entries:
        for layer, _ in segment:
            require(layer.macs >= 0 and min(layer.output_shape, default=1) > 0, f"a layer {layer}")
    with suppress(ValueError):  # a table that lacks a layer, or by which a network would cost less than nothing
        prices = tabulate_prices(SPACE, table)(GENES)
        require(bool((prices > 0).all() and np.isfinite(prices).all()), "a network costs less than nothing")


def _make_table() -> LatencyTable:
    estimated = Roofline("npu", {W32: 10.0, W8: 40.0}, 1.0, 2.0).table(SPACE.list_distinct_layers())
    costs = {TensorUse.parse("float -> 1 int8, 1 add(float)"): TensorCost(1e-4, 1e-8)}
    calibration = Calibration(0.01, TensorCosts(costs), FitQuality(3.5, 0.9, 0.95, 20))
    measured = estimated.with_calibration(calibration, {})
    return replace(measured, origin="measured", reference_ms=1.0, fingerprint={"cpu": "x", "flags": ""}, constants={})


def _write(rows: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    rows.to_parquet(stream, index=False)
    return stream.getvalue()


def _sealed_table(folder: Path) -> Attempt:
    whole, path = folder / "whole.parquet", folder / "table.parquet"
    save_table(_make_table(), whole)
    content = whole.read_bytes()

    def attempt(rng: Random | None) -> Callable[[], object]:
        changed = mutate_bytes(content, rng) if rng else content
        path.write_bytes(changed)

        def read() -> None:
            use_table(load_table(path))
            require(changed == content, "a byte of a sealed table was changed")

        return read

    return attempt


def _table(folder: Path) -> Attempt:
    """A table without a seal, as those of before: its bytes, its metadata or a cell are mutated."""
    path, whole = folder / "table.parquet", to_frame(_make_table())

    def attempt(rng: Random | None) -> Callable[[], object]:
        path.write_bytes(_mutate_table(whole, rng) if rng else _write(whole))
        return lambda: use_table(load_table(path))

    return attempt


def _mutate_table(whole: pd.DataFrame, rng: Random) -> bytes:
    if rng.random() < 0.3:
        return mutate_bytes(_write(whole), rng)
    if rng.random() < 0.5:
        rows, attributes = whole.copy(), mutate_json(whole.attrs, rng)
        rows.attrs = attributes if isinstance(attributes, dict) else {}
        return _write(rows)
    column = rng.choice(list(whole.columns))
    cells = whole[column].tolist()
    cells[rng.randrange(len(cells))] = rng.choice([*NUMBERS, *_STORABLE, *OTHERS[:3], *CELLS, *cells])
    rows = whole.assign(**{column: pd.Series(cells, index=whole.index)})
    rows.attrs = whole.attrs
    try:
        return _write(rows)
    except Exception:  # Parquet has no column of texts and numbers
        rows[column] = rows[column].astype(str)
        return _write(rows)


def _text_table(name: str, text: str, read: Callable[[Path], object]) -> Callable[[Path], Attempt]:
    rows = [row for row in csv.reader(io.StringIO(text)) if row]

    def prepare(folder: Path) -> Attempt:
        def attempt(rng: Random | None) -> Callable[[], object]:
            content = text.encode()
            if rng:
                content = to_csv(mutate_cells(rows, rng)) if rng.random() < 0.6 else mutate_bytes(content, rng)
            (folder / name).write_bytes(content)
            return lambda: read(folder)

        return attempt

    return prepare


def _import(form: str, name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        ends = {end: {"latency": 0.3, "energy": 0.5} for end in ("head", "tail")}
        (folder / "head_tail.json").write_text(json.dumps(ends))
        table = import_table(form, folder / name)
        use_table(table)
        save_table(table, folder / "imported.parquet")
        require(load_table(folder / "imported.parquet") == table, "it does not come back as it was")

    return read


def _haq(folder: Path) -> Attempt:
    stream = io.BytesIO()
    np.save(stream, np.ones((53, 8, 8), dtype=np.int64))

    def attempt(rng: Random | None) -> Callable[[], object]:
        (folder / "cycles.npy").write_bytes(mutate_bytes(stream.getvalue(), rng) if rng else stream.getvalue())
        return lambda: _import("haq", "cycles.npy")(folder)

    return attempt


def _transfer(which: str) -> Callable[[Path], Attempt]:
    def read(folder: Path) -> None:
        for name in TRANSFER.keys() - {which}:
            (folder / f"{name}.csv").write_text(TRANSFER[name])
        transfer = TransferFiles(folder / "known.csv", folder / "features.csv")
        transfer.predict(folder / "measured.csv", folder / "predicted.csv")
        predicted = pd.read_csv(folder / "predicted.csv")[["latency_ms", "factor"]]
        require(bool((predicted > 0).all(axis=None) and np.isfinite(predicted).all(axis=None)), "a latency of nothing")
        require(len(transfer.choose_probes(3, folder / "measured.csv")) > 0, "no probe is named")

    return _text_table(f"{which}.csv", TRANSFER[which], read)


def _device(folder: Path) -> Attempt:
    def attempt(rng: Random | None) -> Callable[[], object]:
        (folder / "npu.yaml").write_bytes(mutate_yaml(NPU, rng) if rng else NPU.encode())
        return lambda: use_table(load_roofline(folder / "npu.yaml").table(SPACE.list_distinct_layers()))

    return attempt


_TABLES, _PUBLISHED = "latency tables and descriptions of devices", "published tables and transfers"
FORMATS = {
    "sealed_table": Format(_TABLES, _sealed_table),
    "table": Format(_TABLES, _table),
    "device": Format(_TABLES, _device),
    "apq": Format(_PUBLISHED, _text_table("layers.csv", APQ, _import("apq", "layers.csv"))),
    "once_for_all": Format(_PUBLISHED, _text_table("blocks.csv", OFA, _import("once_for_all", "blocks.csv"))),
    "hawq": Format(_PUBLISHED, _text_table("layers.csv", HAWQ, _import("hawq", "layers.csv"))),
    "haq": Format(_PUBLISHED, _haq),
    **{name: Format(_PUBLISHED, _transfer(name)) for name in TRANSFER},
}
