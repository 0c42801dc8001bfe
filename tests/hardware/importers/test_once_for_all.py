"""Once-for-All's tables price the published networks, and every subnet of the space, to the last digit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hardware.importers.once_for_all import read_once_for_all
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import MissingCost
from hardware.tables.pricing import tabulate_prices
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.mobilenet_v3 import MobileNetV3Space, make_inverted_bottleneck
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution
from search_spaces.presets import create_space

FP32 = LayerPolicy()


@pytest.fixture(scope="module")
def tables(reference_data: Path) -> Path:
    return reference_data / "latency_lut"


@pytest.fixture(scope="module")
def networks(tables: Path) -> dict[str, Any]:
    """The published networks by name."""
    return {one["id"]: one for one in json.loads((tables / "ofa_specialized_nets.json").read_text())}


def blocks(network: dict[str, Any]) -> Iterator[list[tuple[LayerSpec, LayerPolicy]]]:
    """The layers of a published network, block by block."""
    size = network["image_size"]
    stem = LayerSpec.conv("", Convolution.square(3, network["stem_c"], 3, 2), size, activation="hard_swish")
    yield [(stem, FP32)]
    size = stem.output_shape[1]
    for block in network["blocks"]:
        widths = block["in_c"], block["mid_c"], block["out_c"]
        activation = "hard_swish" if block["act"] == "h_swish" else "relu"
        parts = make_inverted_bottleneck(widths, block["kernel"], block["stride"], size, activation)
        absent = set() if block["se"] else {"squeeze", "excite"}
        absent |= {"expand"} if block["mid_c"] == block["in_c"] else set()
        yield [(layer, FP32) for part, layer in parts.items() if part not in absent]
        size = -(-size // block["stride"])
    before, after = network["final_expand"]
    yield [(LayerSpec.conv("", Convolution.square(before, after), size, activation="hard_swish"), FP32)]
    before, after = network["feature_mix"]
    yield [(LayerSpec.conv("", Convolution.square(before, after), normalized=False, activation="hard_swish"), FP32)]
    before, after = network["classifier"]
    yield [(LayerSpec.linear("", before, after), FP32)]


def test_the_note_10_table_adds_up_to_the_published_latency(tables: Path, networks: dict[str, Any]) -> None:
    published = list(blocks(networks["note10_lat-30ms_top1-78.4_finetune-75"]))
    at_224 = read_once_for_all(tables / "note10_ofa_mbv3_w12.csv", resolution=224)
    assert round(at_224.total(LATENCY, published), 3) == 29.965
    averaged = read_once_for_all(tables / "note10_ofa_mbv3_w12.csv")
    assert averaged.total(LATENCY, published) == pytest.approx(29.965, rel=0.01)
    assert len(averaged.entries) < 480


@pytest.mark.parametrize(("budget", "macs"), [("389", 389.49), ("482", 482.41), ("595", 595.19)])
def test_operations_of_published_networks(networks: dict[str, Any], budget: str, macs: float) -> None:
    (network,) = (one for name, one in networks.items() if name.startswith(f"flops-{budget}"))
    found = sum(layer.macs for block in blocks(network) for layer, _ in block)
    assert round(found / 1e6, 2) == macs


def test_every_subnet_has_a_price(tables: Path, reference_data: Path) -> None:
    table = read_once_for_all(tables / "i7_8700k_ofa_mbv3.csv")
    assert len(table.entries) == 4050
    imagenet = create_space("mobilenet_v3_imagenet", 3, 1000)
    assert isinstance(imagenet, MobileNetV3Space)
    shape = replace(imagenet.shape, resolutions=tuple(range(128, 225, 4)))
    space = JointSpace(MobileNetV3Space("ofa", shape, 3, 1000))
    rows = pd.read_csv(reference_data / "ofa_latency" / "latency.csv")
    prices = tabulate_prices(space, table)(genes_of(space, rows))
    assert len(prices) == 5000
    assert (round(prices.min(), 2), round(prices.max(), 2)) == (5.92, 24.38)
    spearman = (
        pd.Series(prices).corr(rows["2080ti_64"], "spearman"),
        pd.Series(prices).corr(rows["v100_64"], "spearman"),
    )
    assert [round(found, 3) for found in spearman] == [0.912, 0.939]


def genes_of(space: JointSpace, rows: pd.DataFrame) -> np.ndarray:
    """The rows of the data as genes."""
    columns = {"resolution": "r"} | {f"{s}.depth": f"d{s}" for s in range(5)}
    for s in range(5):
        for j in range(4):
            columns |= {f"{s}.{j}.kernel": f"ks{4 * s + j}", f"{s}.{j}.expand": f"e{4 * s + j}"}
    genes = np.zeros((len(rows), len(space.cardinalities)), dtype=np.int64)
    for number, choice in enumerate(space.architectures.choices):
        genes[:, number] = rows[columns[choice.name]].map({value: i for i, value in enumerate(choice.values)})
    return space.population(genes).genes


def test_a_block_that_was_not_measured_is_named(tables: Path) -> None:
    table = read_once_for_all(tables / "i7_8700k_ofa_mbv3.csv")
    other = make_inverted_bottleneck((16, 64, 24), 9, 2, 112, "relu")
    with pytest.raises(
        MissingCost,
        match=r"in_channels=16 out_channels=64 .* at 16x112x112.*in 'i7_8700k",
    ):
        table.cost(LATENCY, [(layer, FP32) for layer in other.values()])
    with pytest.raises(ValueError, match="runs no layer at w8a8; it runs w32a32"):
        table.cost(LATENCY, [(next(iter(other.values())), LayerPolicy.quantized(8, 8))])


def test_other_files_are_refused(tables: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no rows of resolution 100; it has \[160, 176, 192, 208, 224\]"):
        read_once_for_all(tables / "note10_ofa_mbv3_w12.csv", resolution=100)
    rows = pd.read_csv(tables / "note10_ofa_mbv3_w12.csv")
    for damaged, message in (
        (rows.drop(columns="mid_c"), "mid_c .* or expand"),
        (rows.drop(columns=["in_h", "stride"]), "it lacks in_h, stride"),
        (rows.assign(op="Pool"), r"row 1 \(line 2\), column op: op 'Pool' is not known"),
        (rows.assign(mean_ms="fast"), r"row 1 \(line 2\), column mean_ms: must be a number above 0, got 'fast'"),
        (rows.assign(mid_c=1.5), "column mid_c: must be a whole number from 1 to 2147483647, got '1.5'"),
        (rows.assign(hs=2), "column hs: must be a whole number from 0 to 1, got '2'"),
        (rows.assign(kernel=-3), "column kernel: must be a whole number"),
        (rows.assign(out_h=3), r"row 2 \(line 3\), column out_h: must be a whole number from 54 to"),
        (rows.assign(out_w=3), r"column out_w: must be 80, got '3'"),
        (rows.assign(in_w=3), "column in_w: must be 160, got '3'"),
        (rows.assign(std_ms=-1), "column std_ms: must be a number of 0 or more, got '-1'"),
        (pd.concat([rows, rows[9:10]]), r"row 481 \(line 482\): is the second row for the same layers at the same"),
    ):
        damaged.to_csv(tmp_path / "table.csv")
        with pytest.raises(ValueError, match=message):
            read_once_for_all(tmp_path / "table.csv")
