"""Damaged tables, imports and transfers: each is read, or refused in one line that names the file, and soon.

`NAS_FUZZ` says how many mutations of every file are tried; without it a few, which take seconds.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from mutations import CELLS, NUMBERS, OTHERS, TEXTS, find_refusal, mutate_bytes, mutate_cells, mutate_json, to_csv

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

TRIES = int(os.environ.get("NAS_FUZZ", "15"))
W32, W8 = LayerPolicy(), LayerPolicy.quantized(8, 8)
SPACE = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace((W32, W8)))
GENES = SPACE.sample(np.random.default_rng(0), 50).genes
HEADER = "in_c,out_c,kernel,stride,groups,in_size,w_bits,a_bits,latency_ms,energy_mj"
OFA = "resolution,op,in_h,in_w,in_c,out_h,out_w,out_c,mid_c,kernel,stride,se,hs,mean_ms,std_ms,count"
BLOCKS = f"""{OFA}
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


def _use(table: LatencyTable) -> None:
    """What is done with a table that was read; nonsense must not have passed."""
    describe_table(table)
    check_plausible(table)
    for entry in table.entries.values():
        assert all(0 < value < math.inf for value in entry.values.values())
        assert 0 < entry.factor < math.inf
    for segment in table.entries:
        for layer, _ in segment:
            assert layer.macs >= 0
            assert min(layer.output_shape, default=1) > 0
    with suppress(ValueError):  # a table that lacks a layer, or by which a network would cost less than nothing
        prices = tabulate_prices(SPACE, table)(GENES)
        assert (prices > 0).all()
        assert np.isfinite(prices).all()


def _table() -> LatencyTable:
    estimated = Roofline("npu", {W32: 10.0, W8: 40.0}, 1.0, 2.0).table(SPACE.list_distinct_layers())
    costs = {TensorUse.parse("float -> 1 int8, 1 add(float)"): TensorCost(1e-4, 1e-8)}
    calibration = Calibration(0.01, TensorCosts(costs), FitQuality(3.5, 0.9, 0.95, 20))
    measured = estimated.with_calibration(calibration, {})
    return replace(measured, origin="measured", reference_ms=1.0, fingerprint={"cpu": "x", "flags": ""}, constants={})


@dataclass(frozen=True)
class Files:
    """The files of a form in a folder: how they are made, and what reads them."""

    folder: Path

    def write(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


def _stored_table(files: Files) -> bytes:
    path = files.folder / "whole.parquet"
    save_table(_table(), path)
    return path.read_bytes()


def _read_stored(files: Files, content: bytes) -> None:
    _use(load_table(files.write("table.parquet", content)))


def _import(form: str, name: str) -> Callable[[Files, bytes], None]:
    def read(files: Files, content: bytes) -> None:
        ends = {end: {"latency": 0.3, "energy": 0.5} for end in ("head", "tail")}
        files.write("head_tail.json", json.dumps(ends))
        table = import_table(form, files.write(name, content))
        save_table(table, files.folder / "imported.parquet")
        assert load_table(files.folder / "imported.parquet") == table

    return read


def _apq_layers() -> bytes:
    shapes = ["3,32,3,2,1,224", "32,32,3,1,32,112", "32,16,1,1,1,112"]
    rows = [f"{shape},{bits},{bits},0.1,0.2" for shape in shapes for bits in (4, 8)]
    return "\n".join([HEADER, *rows, ""]).encode()


def _haq_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ones((53, 8, 8), dtype=np.int64))
    return stream.getvalue()


def _known_latencies() -> bytes:
    return "\n".join(["network,one,two", *(f"n{i},{1 + i % 3},{2 + i % 5}" for i in range(12)), ""]).encode()


def _read_transfer(which: str) -> Callable[[Files, bytes], None]:
    whole = {
        "known": _known_latencies(),
        "features": "\n".join(["network,a,b", *(f"n{i},{i % 3},{i % 5}" for i in range(12)), ""]).encode(),
        "measured": b"network,latency_ms\nn1,2\nn2,3\nn3,1\nn7,4\n",
    }

    def read(files: Files, content: bytes) -> None:
        paths = {name: files.write(f"{name}.csv", part) for name, part in {**whole, which: content}.items()}
        transfer = TransferFiles(paths["known"], paths["features"])
        transfer.predict(paths["measured"], files.folder / "predicted.csv")
        predicted = pd.read_csv(files.folder / "predicted.csv")
        assert (predicted["latency_ms"] > 0).all()
        assert np.isfinite(predicted[["latency_ms", "factor"]]).all(axis=None)
        assert transfer.choose_probes(3, paths["measured"])

    return read


def _read_device(files: Files, content: bytes) -> None:
    _use(load_roofline(files.write("npu.yaml", content)).table(SPACE.list_distinct_layers()))


READERS: dict[str, tuple[Callable[[Files], bytes], Callable[[Files, bytes], None]]] = {
    "table": (_stored_table, _read_stored),
    "table without a seal": (lambda _: _written(to_frame(_table())), _read_stored),
    "once_for_all": (lambda _: BLOCKS.encode(), _import("once_for_all", "blocks.csv")),
    "apq": (lambda _: _apq_layers(), _import("apq", "layers.csv")),
    "hawq": (lambda _: HAWQ.encode(), _import("hawq", "layers.csv")),
    "haq": (lambda _: _haq_array(), _import("haq", "cycles.npy")),
    "known": (lambda _: _known_latencies(), _read_transfer("known")),
    "features": (lambda _: _known_latencies(), _read_transfer("features")),
    "measured": (lambda _: b"network,latency_ms\nn1,2\nn2,3\nn3,1\nn7,4\n", _read_transfer("measured")),
    "device": (lambda _: NPU.encode(), _read_device),
}


def _check(files: Files, read: Callable[[Files, bytes], None], content: bytes, seed: int) -> bool:
    """Whether a file was refused; it may be read, but must not be believed if it is nonsense."""
    try:
        line = find_refusal(lambda: read(files, content))
    except AssertionError as error:
        files.write(f"seed-{seed}", content)
        raise AssertionError(f"seed {seed}: {error}; the file is {files.folder / f'seed-{seed}'}") from error
    assert line is None or str(files.folder) in line, line
    return line is not None


@pytest.mark.parametrize("form", READERS)
def test_bytes(form: str, tmp_path: Path) -> None:
    make, read = READERS[form]
    files = Files(tmp_path)
    whole = make(files)
    assert not _check(files, read, whole, -1)
    refused = [_check(files, read, mutate_bytes(whole, Random(seed)), seed) for seed in range(TRIES)]
    assert any(refused)
    if form == "table":
        changed = [mutate_bytes(whole, Random(seed)) != whole for seed in range(TRIES)]
        assert refused == changed  # of a sealed file, every byte


@pytest.mark.parametrize("form", ["once_for_all", "apq", "hawq", "known", "features", "measured"])
def test_cells(form: str, tmp_path: Path) -> None:
    make, read = READERS[form]
    files = Files(tmp_path)
    rows = [row for row in csv.reader(io.StringIO(make(files).decode())) if row]
    refused = [_check(files, read, to_csv(mutate_cells(rows, Random(seed))), seed) for seed in range(TRIES)]
    assert any(refused)


def test_metadata_of_tables(tmp_path: Path) -> None:
    files, rows = Files(tmp_path), to_frame(_table())
    whole = dict(rows.attrs)
    refused = []
    for seed in range(TRIES):
        attributes = mutate_json(whole, Random(seed))
        if isinstance(attributes, dict):
            rows.attrs = attributes
            refused.append(_check(files, _read_stored, _written(rows), seed))
    assert any(refused)


_STORABLE = [text for text in TEXTS if "\ud800" not in text]  # as Parquet has texts in UTF-8


def test_cells_of_tables(tmp_path: Path) -> None:
    files, whole, refused = Files(tmp_path), to_frame(_table()), []
    for seed in range(TRIES):
        rng = Random(seed)
        column = rng.choice(list(whole.columns))
        cells = whole[column].tolist()
        cells[rng.randrange(len(cells))] = rng.choice([*NUMBERS, *_STORABLE, *OTHERS[:3], *CELLS, *cells])
        rows = whole.assign(**{column: pd.Series(cells, index=whole.index)})
        rows.attrs = whole.attrs
        try:
            content = _written(rows)
        except Exception:
            rows[column] = rows[column].astype(str)
            content = _written(rows)
        refused.append(_check(files, _read_stored, content, seed))
    assert any(refused)


def _written(rows: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    rows.to_parquet(stream, index=False)
    return stream.getvalue()
