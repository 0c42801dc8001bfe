"""Ten measurements of a new device tell the rest, where other devices are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from hardware.transfer.transfer import DeviceTransfer
from predictors.linear_model import FloatArray


def random_devices(count: int) -> tuple[FloatArray, FloatArray]:
    """Latencies of 300 networks of 10 binary genes on devices that share two causes; and the genes."""
    rng = np.random.default_rng(0)
    genes = rng.integers(0, 2, (300, 10)).astype(float)
    causes = 1 + genes @ rng.uniform(0.1, 1, (10, 2))
    return causes @ rng.uniform(0.2, 1, (2, count)), genes


def test_a_mixture_of_known_devices_is_recognised() -> None:
    latencies, genes = random_devices(6)
    known, new = latencies[:, :5], 7.0 * latencies[:, 5]
    transfer = DeviceTransfer(known, genes)
    probes = transfer.choose_probes(10)
    assert len({*probes}) == 10
    found = transfer.predict(probes, new[probes])
    assert np.abs(found.latency_ms / new - 1).max() < 0.05
    assert (found.factor >= 1).all()
    assert found.factor.max() < 1.2


def test_more_probes_go_on_where_the_first_ended() -> None:
    latencies, genes = random_devices(3)
    transfer = DeviceTransfer(latencies, genes)
    ten = transfer.choose_probes(10)
    assert transfer.choose_probes(10, ten[:4]) == [*ten[4:], *transfer.choose_probes(4, ten)]


def test_units_do_not_matter() -> None:
    latencies, genes = random_devices(4)
    new, probes = latencies[:, 3], list(range(8))
    one, other = (DeviceTransfer(latencies[:, :3] * unit, genes).predict(probes, new[probes]) for unit in (1.0, 1e3))
    np.testing.assert_allclose(one.latency_ms, other.latency_ms)
    thousand = DeviceTransfer(latencies[:, :3], genes).predict(probes, 1e3 * new[probes])
    np.testing.assert_allclose(thousand.latency_ms, 1e3 * one.latency_ms)
    np.testing.assert_allclose(thousand.factor, one.factor)


def test_every_device_of_nasbench201_is_ranked_by_ten_measurements(reference_data: Path) -> None:
    folder = reference_data / "nasbench201"
    architectures = pd.read_csv(folder / "accuracy.csv", usecols=["index", "arch"])
    latencies = pd.read_csv(folder / "latency.csv").set_index("index").loc[architectures["index"]]
    operators = architectures["arch"].str.findall(r"(\w+)~\d").tolist()
    genes = pd.get_dummies(pd.DataFrame(operators)).to_numpy(dtype=float)
    assert genes.shape == (15625, 30)
    found = []
    for column in latencies:
        others = [other for other in latencies if other.split("_")[0] != column.split("_")[0]]  # of other devices
        transfer, measured = DeviceTransfer(latencies[others].to_numpy(), genes), latencies[column].to_numpy()
        probes = transfer.choose_probes(10)
        predicted = transfer.predict(probes, measured[probes]).latency_ms
        rest = np.setdiff1d(np.arange(len(latencies)), probes)
        found.append(spearmanr(predicted[rest], measured[rest]).statistic)
    assert np.mean(found) > 0.95
    assert min(found) > 0.85


def test_what_cannot_be_is_refused_in_one_line() -> None:
    latencies, genes = random_devices(2)
    transfer = DeviceTransfer(latencies, genes)
    for rows, values, message in (
        ([1, 2], [1.0, 2.0], "3 or more different networks .* got 2 networks"),
        ([1, 2, 2], [1.0, 2.0, 2.0], "3 or more different networks"),
        ([1, 2, 3], [1.0, 2.0], r"latencies of shape \(2,\)"),
        ([1, 2, 3], [1.0, 2.0, 0.0], "latencies must be positive and finite"),
        ([1, 2, 3], [1.0, 2.0, float("nan")], "latencies must be positive and finite"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            transfer.predict(rows, np.array(values))
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"as many networks, got \(300, 2\) and \(299, 10\)"):
        DeviceTransfer(latencies, genes[1:])
    with pytest.raises(ValueError, match="latencies must be positive"):
        DeviceTransfer(-latencies, genes)
