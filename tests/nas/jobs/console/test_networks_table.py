"""The table of networks shows what there is, as people read it."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from rich.console import Console

from nas.jobs.console.networks_table import describe_values, networks_table


def shown(networks: pd.DataFrame) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(networks_table(networks, "what readers are to know"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_values_are_shown_as_their_metrics_are_and_with_their_intervals() -> None:
    text = shown(
        pd.DataFrame(
            {
                "role": ["best accuracy", "lowest energy_mj"],
                "key": ["0" * 16, "1" * 16],
                "expected_accuracy": [97.123, 90.0],
                "expected_accuracy_std": [1.0, np.nan],
                "predicted_energy_mj": [0.5, 0.25],
                "weight_bytes": [12345.0, 1000.0],
                "file": ["a.onnx", "b.onnx"],
            }
        )
    )
    assert all(word in text for word in ("accuracy %", "expected", "energy_mj", "predicted", "weight_bytes"))
    assert "97.12 ± 1.6" in text
    assert "90.00 │" in text  # of an unknown spread there is no interval
    assert "12,345" in text
    assert "0" * 16 not in text


def test_intervals_of_small_units_show_digits() -> None:
    columns = {"role": ["lowest energy_mj"], "expected_energy_mj": [0.012], "expected_energy_mj_std": [0.002]}
    assert "0.012 ± 0.0033" in shown(pd.DataFrame(columns | {"file": ["a.onnx"]}))


def test_intervals_and_latencies_are_explained_where_there_are_some() -> None:
    networks = pd.DataFrame({"expected_accuracy": [97.0], "expected_accuracy_std": [np.nan]})
    assert describe_values(networks, 1000) == (
        "expected values are those on new images, given all measurements; measured ones are on 1,000 validation "
        "images; test values are of the ONNX file"
    )
    known = networks.assign(expected_accuracy_std=1.0, measured_latency_ms=0.5)
    said = describe_values(known, 1000, "predicted latencies are of unknown error")
    assert "given all measurements, with 90 % intervals; " in said
    assert "; predicted latencies are of unknown error; test values and measured latencies are of" in said


def test_columns_without_a_number_are_left_out() -> None:
    networks = pd.DataFrame({"role": ["balanced"], "measured_latency_ms": [np.nan], "macs": [5.0], "file": ["a.onnx"]})
    text = shown(networks)
    assert "latency" not in text
    assert "macs" in text
