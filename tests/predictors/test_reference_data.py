"""Quality of the predictors on measured accuracies of real search spaces."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictors.predictor import FloatArray
from predictors.quality import PredictorQuality
from predictors.registry import create_predictor


def ofa_subnets(data: Path) -> tuple[FloatArray, FloatArray]:
    """Distinct OFA-MobileNetV3 subnets: one-hot kernels and expansions (inactive: zeros), ImageNet accuracy."""
    table = pd.read_csv(data / "ofa_mbv3_accuracy" / "subnets.csv")
    kernels, expansions = [f"ks{i}" for i in range(20)], [f"e{i}" for i in range(20)]
    table = table.drop_duplicates(kernels + expansions)
    codes = [table[kernels].to_numpy() == value for value in (3, 5, 7)]
    codes += [table[expansions].to_numpy() == value for value in (3, 4, 6)]
    return np.concatenate(codes, axis=1).astype(float), table["top1"].to_numpy(dtype=float)


def nasbench201_cells(data: Path) -> tuple[FloatArray, FloatArray]:
    """All cells of NAS-Bench-201: one-hot operations of the 6 edges, CIFAR-10 accuracy."""
    table = pd.read_csv(data / "nasbench201" / "accuracy.csv")
    operations = np.array([re.findall(r"([a-z_0-9]+)~\d", cell) for cell in table["arch"]])
    codes = operations[:, :, None] == np.unique(operations)
    return codes.reshape(len(table), -1).astype(float), table["cifar10_test_200e"].to_numpy(dtype=float)


def mean_over_seeds(name: str, features: FloatArray, targets: FloatArray, labels: int) -> PredictorQuality:
    """Labels some random rows, predicts up to 4,000 others and averages the report over three seeds."""
    reports = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(targets))
        train, test = order[:labels], order[labels : labels + 4000]
        model = create_predictor(name, seed)
        model.fit(features[train], targets[train])
        reports.append(PredictorQuality.compare(model.predict(features[test]), targets[test], labels))
    tau, spearman, rmse, coverage = np.mean(
        [[r.kendall_tau, r.spearman, r.rmse, r.coverage_90] for r in reports], axis=0
    ).tolist()
    return PredictorQuality(tau, spearman, rmse, coverage, n_train=labels, n_test=len(test))


@pytest.mark.parametrize(("name", "spearman"), [("ridge", 0.975), ("ensemble", 0.990)])
def test_ofa_accuracy_from_200_labels(reference_data: Path, name: str, spearman: float) -> None:
    report = mean_over_seeds(name, *ofa_subnets(reference_data), labels=200)
    assert report.spearman >= spearman
    assert 0.85 <= report.coverage_90 <= 0.97


@pytest.mark.parametrize(("labels", "kendall_tau"), [(100, 0.60), (500, 0.75)])
def test_nasbench201_accuracy_beats_gradient_boosting(reference_data: Path, labels: int, kendall_tau: float) -> None:
    # Gradient boosting reaches 0.46 and 0.66 (data/README.md).
    report = mean_over_seeds("ensemble", *nasbench201_cells(reference_data), labels=labels)
    assert report.kendall_tau >= kendall_tau
    assert 0.85 <= report.coverage_90 <= 0.97


def ofa_latencies(data: Path, device: str) -> tuple[FloatArray, FloatArray]:
    """OFA-MobileNetV3 subnets: pixels, kernels and expansions of active blocks, alone and times pixels; latency."""
    table = pd.read_csv(data / "ofa_latency" / "latency.csv")
    depths = np.repeat(table[[f"d{i}" for i in range(5)]].to_numpy(), 4, axis=1)
    active = np.tile(np.arange(4), 5) < depths
    kernels, expansions = (table[[f"{name}{i}" for i in range(20)]].to_numpy() for name in ("ks", "e"))
    codes = [(kernels == value) & active for value in (3, 5, 7)] + [
        (expansions == value) & active for value in (3, 4, 6)
    ]
    blocks, pixels = np.concatenate(codes, axis=1).astype(float), (table[["r"]].to_numpy() / 224) ** 2
    return np.concatenate([pixels, blocks, blocks * pixels], axis=1), table[device].to_numpy(dtype=float)


@pytest.mark.parametrize(("device", "spearman"), [("2080ti_64", 0.97), ("v100_64", 0.99)])
def test_ofa_latency_from_1000_networks(reference_data: Path, device: str, spearman: float) -> None:
    assert mean_over_seeds("ridge", *ofa_latencies(reference_data, device), labels=1000).spearman > spearman


@pytest.mark.parametrize(
    ("device", "spearman", "error_percent"),
    [
        ("iwslt14deen_gpu_titanxp", 0.976, 5.4),
        ("wmt14ende_cpu_raspberrypi", 0.994, 4.5),
        ("wmt14ende_cpu_xeon", 0.983, 5.0),
        ("wmt14ende_gpu_titanxp", 0.978, 4.4),
    ],
)
def test_latency_of_transformers(reference_data: Path, device: str, spearman: float, error_percent: float) -> None:
    # The figures are ridge's rank correlation and the error of boosted trees (data/README.md).
    table = pd.read_csv(reference_data / "hat_transformer_latency" / f"{device}.csv")
    features = table.iloc[:, :10].to_numpy(dtype=float)
    features = (features - features[:1600].mean(0)) / np.maximum(features[:1600].std(0), 1e-9)  # one never varies
    latencies = (table["latency_mean_encoder"] + table["latency_mean_decoder"]).to_numpy()
    model = create_predictor("ridge", 0)
    model.fit(features[:1600], latencies[:1600])
    predicted = model.predict(features[1600:])
    assert round(PredictorQuality.compare(predicted, latencies[1600:], 1600).spearman, 3) >= spearman
    assert 100 * np.abs(predicted.mean / latencies[1600:] - 1).mean() < error_percent
