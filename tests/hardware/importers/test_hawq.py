"""HAWQ's table prices the published policies, and refuses what it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from hardware.importers.hawq import find_resnet18_layer, read_hawq
from search_spaces.compression_policy import LayerPolicy


def test_it_prices_the_published_policies(reference_data: Path) -> None:
    folder = reference_data / "hawq_resnet18"
    table = read_hawq(folder / "layers.csv")
    layers = [find_resnet18_layer(name) for name in pd.read_csv(folder / "layers.csv")["name"]]
    priced = 0
    for case in json.loads((folder / "reference_optima.json").read_text())["cases"]:
        if case["constraint"] == "latency":
            bits = [LayerPolicy.quantized(int(one), int(one)) for one in case["optimal_bits"]]
            assert sum(map(table.latency_ms, layers, bits)) == pytest.approx(case["value"])
            priced += 1
    assert priced == 3


@pytest.mark.parametrize("name", ["stage5.unit1.quant_convbn1", "stage1.unit1.quant_identity_convbn", "conv1"])
def test_layers_that_resnet18_lacks_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="ResNet-18 has no quantised convolution"):
        find_resnet18_layer(name)


def test_other_files_are_refused(reference_data: Path, tmp_path: Path) -> None:
    rows, path = pd.read_csv(reference_data / "hawq_resnet18" / "layers.csv"), tmp_path / "layers.csv"
    rows.drop(columns="macs").to_csv(path)
    with pytest.raises(ValueError, match="it lacks macs"):
        read_hawq(path)
    rows.assign(params=1).to_csv(path)
    with pytest.raises(ValueError, match=r"row 1 \(line 2\), column params: must be 36864, got '1'"):
        read_hawq(path)
    pd.concat([rows, rows[:1]]).to_csv(path)
    with pytest.raises(ValueError, match=r"column name: is the second row for stage1\.unit1\.quant_convbn1; keep one"):
        read_hawq(path)
