"""The ImageNet-sized space is once-for-all's: its size, its operations and its parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hardware.analytic import network_cost
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space


@pytest.fixture(scope="module")
def imagenet() -> JointSpace:
    return JointSpace(create_space("mobilenet_v3_imagenet", 3, 1000))


def subnets(space: JointSpace, table: pd.DataFrame) -> Population:
    """The subnets of once-for-all's own notation: d0.., ks0.., e0.., with zeros where a block is absent."""
    values = {"resolution": np.full(len(table), 224)}
    for s in range(5):
        values[f"{s}.depth"] = table[f"d{s}"].to_numpy()
        for j in range(4):
            values[f"{s}.{j}.kernel"] = table[f"ks{4 * s + j}"].to_numpy()
            values[f"{s}.{j}.expand"] = table[f"e{4 * s + j}"].to_numpy()
    choices = space.architectures.choices
    genes = np.zeros((len(table), len(space.cardinalities)), int)
    for column, choice in enumerate(choices):
        genes[:, column] = [choice.values.index(value) if value else 0 for value in values[choice.name].tolist()]
    return space.population(genes)


def test_counts_7371_per_stage(imagenet: JointSpace) -> None:
    assert imagenet.architectures.count() == 4 * 7371**5


def test_published_operations_and_parameters_are_exact(imagenet: JointSpace, reference_data: Path) -> None:
    table = pd.read_csv(reference_data / "ofa_mbv3_accuracy" / "subnets.csv")
    population = subnets(imagenet, table)
    assert len(population) == 1819
    assert len(population.unique()) == 1697
    rows = range(0, len(population), 12)
    layers = [imagenet.architectures.layers(population[row].architecture) for row in rows]
    assert [sum(layer.macs for layer in network) for network in layers] == table["macs"][rows].tolist()
    assert [sum(layer.parameters for layer in network) for network in layers] == table["params"][rows].tolist()
    assert np.array_equal(network_cost(imagenet, "macs")(population.genes), table["macs"])
    assert np.array_equal(network_cost(imagenet, "parameters")(population.genes), table["params"])
