"""A new device from ten measurements: every device of a data set held out in turn, with all its batch sizes.

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

from hardware.transfer.transfer import DeviceTransfer
from predictors.registry import create_predictor
from search_spaces.additive_cost import FloatArray

DRAWS = 5
Networks = tuple[FloatArray, pd.DataFrame]  # features (n, f), latencies in milliseconds by device and batch size


def one_hot(columns: pd.DataFrame) -> FloatArray:
    """One column per value of every column, shape (n, f)."""
    return pd.get_dummies(columns.astype(str)).to_numpy(dtype=float)


def nasbench201(data: Path) -> Networks:
    """All 15,625 cells by the operators of their 6 edges, on 15 devices."""
    cells = pd.read_csv(data / "nasbench201" / "accuracy.csv", usecols=["index", "arch"])
    latencies = pd.read_csv(data / "nasbench201" / "latency.csv").set_index("index").loc[cells["index"]]
    return one_hot(pd.DataFrame(cells["arch"].str.findall(r"(\w+)~\d").tolist())), latencies


def fbnet(data: Path) -> Networks:
    """5,000 networks by the operators of their 22 layers, on 15 devices."""
    table = pd.read_csv(data / "fbnet_latency" / "latency.csv", index_col="index")
    operators = [f"op{i}" for i in range(22)]
    return one_hot(table[operators]), table.drop(columns=operators)


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
    return np.concatenate(codes, axis=1), table[devices]


SETS: dict[str, Callable[[Path], Networks]] = {"NAS-Bench-201": nasbench201, "FBNet": fbnet, "OFA": once_for_all}


def correlation(predicted: FloatArray, measured: FloatArray, probes: list[int]) -> float:
    """Spearman over the networks that were not measured."""
    rest = np.setdiff1d(np.arange(len(measured)), probes)
    return float(spearmanr(predicted[rest], measured[rest]).statistic)


def maker(column: str) -> str:
    """The device of a column, whose last part may be a batch size."""
    return column.rpartition("_")[0] if column.rpartition("_")[2].isdigit() and len(column.split("_")) == 2 else column


def transferred(features: FloatArray, latencies: pd.DataFrame, column: str, probes: int) -> tuple[float, float]:
    """The correlation on a column whose device is held out, and the share of latencies within the stated factor."""
    known = [other for other in latencies.columns if maker(other) != maker(column)]
    transfer = DeviceTransfer(latencies[known].to_numpy(), features)
    chosen, measured = transfer.choose_probes(probes), latencies[column].to_numpy(dtype=float)
    found = transfer.predict(chosen, measured[chosen])
    inside = np.abs(np.log(measured / found.latency_ms)) <= np.log(found.factor)
    return correlation(found.latency_ms, measured, chosen), float(inside.mean())


def alone(features: FloatArray, latencies: pd.DataFrame, column: str, probes: int) -> float:
    """The correlation of ridge on random networks of the column alone."""
    found, measured = [], latencies[column].to_numpy(dtype=float)
    for seed in range(DRAWS):
        chosen = np.random.default_rng(seed).choice(len(features), probes, replace=False).tolist()
        model = create_predictor("ridge", seed)
        model.fit(features[chosen], measured[chosen])
        found.append(correlation(model.predict(features).mean, measured, chosen))
    return statistics.mean(found)


def main() -> None:
    """Prints the rows of every set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the reference data")
    data = parser.parse_args().data
    for name, load in SETS.items():
        features, latencies = load(data)
        ten, twenty = (
            [transferred(features, latencies, column, probes) for column in latencies.columns] for probes in (10, 20)
        )
        by_itself = [alone(features, latencies, column, 20) for column in latencies.columns]
        target = ": at least 0.93" if name == "NAS-Bench-201" else ""
        for label, samples in (
            (f"Spearman, 10 probes{target}", [found for found, _ in ten]),
            ("Spearman, 20 probes", [found for found, _ in twenty]),
            ("Spearman, ridge on 20 networks of it alone", by_itself),
            ("share within the stated factor, which means two thirds, 10 probes", [inside for _, inside in ten]),
        ):
            text = f"Latency of a new device, {name}, {label}; mean {statistics.mean(samples):.3f}"
            seeds = f"{len(samples)} columns of {len({*map(maker, latencies.columns)})} devices"
            print(row(text, samples, "{:.3f}", seeds, "python benchmarks/latency_transfer.py"), flush=True)


if __name__ == "__main__":
    main()
