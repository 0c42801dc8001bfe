"""A new device from ten measurements: every device of a data set held out in turn, the others known.

In: the reference data. Out: rows of the table in `README.md`; a sample is the rank correlation (Spearman) of predicted
and measured latencies of one device, over all networks that were not measured on it. The networks to measure are those
that `DeviceTransfer` asks for. Beside it, ridge on as many random networks of that device alone (mean of 5 draws).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from report import row
from scipy.stats import spearmanr

from hardware.linear_model import FloatArray
from hardware.transfer import DeviceTransfer
from predictors.registry import predictor

DRAWS = 5
Networks = tuple[FloatArray, FloatArray]  # features (n, f), latencies in milliseconds (n, devices)


def one_hot(columns: pd.DataFrame) -> FloatArray:
    """One column per value of every column, shape (n, f)."""
    return pd.get_dummies(columns.astype(str)).to_numpy(dtype=float)


def nasbench201(data: Path) -> Networks:
    """All 15,625 cells by the operators of their 6 edges, on 15 devices."""
    cells = pd.read_csv(data / "nasbench201" / "accuracy.csv", usecols=["index", "arch"])
    latencies = pd.read_csv(data / "nasbench201" / "latency.csv").set_index("index").loc[cells["index"]]
    return one_hot(pd.DataFrame(cells["arch"].str.findall(r"(\w+)~\d").tolist())), latencies.to_numpy(dtype=float)


def fbnet(data: Path) -> Networks:
    """5,000 networks by the operators of their 22 layers, on 15 devices."""
    table = pd.read_csv(data / "fbnet_latency" / "latency.csv", index_col="index")
    operators = [f"op{i}" for i in range(22)]
    return one_hot(table[operators]), table.drop(columns=operators).to_numpy(dtype=float)


def once_for_all(data: Path) -> Networks:
    """5,000 subnets by resolution, kernels and expansions of active blocks, on 2 devices at 3 batch sizes."""
    table = pd.read_csv(data / "ofa_latency" / "latency.csv", index_col="index")
    depths = np.repeat(table[[f"d{i}" for i in range(5)]].to_numpy(), 4, axis=1)
    active = np.tile(np.arange(4), 5) < depths
    codes = [table[["r"]].to_numpy(dtype=float) / 224]
    for name, values in (("ks", (3, 5, 7)), ("e", (3, 4, 6))):
        blocks = table[[f"{name}{i}" for i in range(20)]].to_numpy()
        codes += [((blocks == value) & active).astype(float) for value in values]
    devices = [column for column in table.columns if column.startswith(("2080ti", "v100"))]
    return np.concatenate(codes, axis=1), table[devices].to_numpy(dtype=float)


SETS: dict[str, Callable[[Path], Networks]] = {"NAS-Bench-201": nasbench201, "FBNet": fbnet, "OFA": once_for_all}


def correlation(predicted: FloatArray, measured: FloatArray, probes: list[int]) -> float:
    """Spearman over the networks that were not measured."""
    rest = np.setdiff1d(np.arange(len(measured)), probes)
    return float(spearmanr(predicted[rest], measured[rest]).statistic)


def transferred(features: FloatArray, latencies: FloatArray, device: int, probes: int) -> float:
    """The correlation on a device that is held out."""
    transfer = DeviceTransfer(np.delete(latencies, device, axis=1), features)
    chosen = transfer.next_probes(probes)
    return correlation(transfer.predict(chosen, latencies[chosen, device]).latency_ms, latencies[:, device], chosen)


def alone(features: FloatArray, latencies: FloatArray, device: int, probes: int) -> float:
    """The correlation of ridge on random networks of the device alone."""
    found = []
    for seed in range(DRAWS):
        chosen = np.random.default_rng(seed).choice(len(features), probes, replace=False).tolist()
        model = predictor("ridge", seed)
        model.fit(features[chosen], latencies[chosen, device])
        found.append(correlation(model.predict(features).mean, latencies[:, device], chosen))
    return statistics.mean(found)


def main() -> None:
    """Prints the rows of every set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the reference data")
    data = parser.parse_args().data
    for name, load in SETS.items():
        features, latencies = load(data)
        devices = range(latencies.shape[1])
        for probes, way, label in (
            (10, transferred, "transfer, 10 probes"),
            (20, transferred, "transfer, 20 probes"),
            (20, alone, "ridge alone, 20 probes"),
        ):
            found = [way(features, latencies, device, probes) for device in devices]
            target = ": at least 0.93" if name == "NAS-Bench-201" and probes == 10 else ""
            text = f"Spearman of latencies of a new device, {name}, {label}; mean {statistics.mean(found):.3f}{target}"
            seeds = f"{len(devices)} devices"
            print(row(text, found, "{:.3f}", seeds, "python benchmarks/latency_transfer.py"), flush=True)


if __name__ == "__main__":
    main()
