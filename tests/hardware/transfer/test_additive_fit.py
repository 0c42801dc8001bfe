"""Whole-network latencies become an additive table, where the device is one that adds up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hardware.transfer.additive_fit import AdditiveFit
from search_spaces.candidate import Architecture, OperatorBlock
from search_spaces.choices import Choice
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space
from search_spaces.search_space import Genes, SearchSpace


class Chain(SearchSpace):
    """FBNet's space: one of nine operators in each of 22 places."""

    def __init__(self) -> None:
        super().__init__("fbnet", [Choice(f"op{i}", tuple(range(9))) for i in range(22)], [])

    def decode(self, genes: Genes) -> Architecture:
        return Architecture(self.name, 0, (tuple(OperatorBlock(int(gene)) for gene in genes),))

    def encode(self, architecture: Architecture) -> Genes:
        values = [
            block.operator for stage in architecture.stages for block in stage if isinstance(block, OperatorBlock)
        ]
        return self.encode_values({f"op{i}": value for i, value in enumerate(values)}, architecture)


@pytest.fixture(scope="module")
def fbnet(reference_data: Path) -> pd.DataFrame:
    return pd.read_csv(reference_data / "fbnet_latency" / "latency.csv")


@pytest.mark.parametrize(
    ("device", "explained"),
    [
        ("eyeriss", 1.0),
        ("pixel3", 1.0),
        ("titanxp_64", 0.997),
        ("2080ti_64", 0.990),
        ("1080ti_1", 0.870),
        ("samsung_a50", 0.37),
        ("essential_ph_1", 0.16),
    ],
)
def test_devices_that_add_up_are_told_from_those_that_do_not(
    device: str, explained: float, fbnet: pd.DataFrame
) -> None:
    space, latencies = JointSpace(Chain()), fbnet[device].to_numpy()
    networks = space.population(fbnet[[f"op{i}" for i in range(22)]].to_numpy())
    fit = AdditiveFit.fit(networks.take(slice(0, 1000)), latencies[:1000])
    rest = fit.cost(networks.genes[1000:])
    found = 1 - ((rest - latencies[1000:]) ** 2).mean() / latencies[1000:].var()
    assert found == pytest.approx(explained, abs=0.015)
    if explained == 1.0:
        assert np.abs(rest / latencies[1000:] - 1).max() < 1e-3
    if explained > 0.8:
        assert fit.quality.explained == pytest.approx(found, abs=0.03)
        fit.quality.require(device)
    else:
        with pytest.raises(ValueError, match=f"{device} explains 0.* hard limits need 0.8"):
            fit.quality.require(device)


@pytest.mark.parametrize("name", ["mobilenet_v3_digits", "resnet_digits"])
def test_genes_that_are_absent_cost_nothing(name: str) -> None:
    space = JointSpace(create_space(name, 1, 10))
    networks = space.sample(np.random.default_rng(0), 600)
    macs = space.tabulate(lambda layer, _: float(layer.output_elements))(networks.genes)
    features = networks.features()
    coefficients = np.random.default_rng(1).uniform(0.1, 1, features.shape[1])
    latencies = 3.0 + features @ coefficients
    fit = AdditiveFit.fit(networks.take(slice(0, 500)), latencies[:500])
    assert fit.quality.explained == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(fit.cost(networks.genes[500:]), latencies[500:], rtol=1e-3)
    assert AdditiveFit.fit(networks, macs).quality.kendall_tau > 0.6


def test_what_cannot_be_fitted_is_refused() -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10))
    networks = space.sample(np.random.default_rng(0), 12)
    for population, latencies, message in (
        (networks, np.ones(11), r"got 12 networks and latencies of shape \(11,\)"),
        (networks.take(slice(0, 9)), np.ones(9), "10 or more networks"),
        (networks, np.zeros(12), "latencies must be positive and finite"),
    ):
        with pytest.raises(ValueError, match=message):
            AdditiveFit.fit(population, latencies)
