"""One file and one name make a cost: it is priced, and it is a metric that people see, also from another package."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hardware.analytic import network_cost
from results.metric import METRICS, Metric, get_metric
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

SOURCE = """
from search_spaces.analytic_costs.analytic_cost import AnalyticCost
cost = AnalyticCost("elements", lambda layer, policy: float(layer.output_elements), format="{:.1f}")
"""


@pytest.mark.parametrize("name", ANALYTIC_COSTS)
def test_every_cost_is_a_metric_of_its_name(name: str) -> None:
    metric = get_metric(name)
    assert (metric.name, metric.unit, metric.maximize) == (name, ANALYTIC_COSTS[name].unit, False)
    assert get_metric(f"expected_{name}") == metric.expected


def test_a_cost_of_another_package_is_priced_and_shown(install_package: Callable[..., None]) -> None:
    install_package(SOURCE, ANALYTIC_COSTS.group, activations="cost")
    space = JointSpace(create_space("resnet_digits", image_channels=1, classes=10))
    population = space.sample(np.random.default_rng(0), 3)
    expected = [sum(layer.output_elements for layer in layers) for layers in space.layers(population.genes)]
    assert network_cost(space, "activations")(population.genes).tolist() == expected
    assert get_metric("activations") == Metric("activations", "elements", format="{:.1f}")
    assert "activations" in METRICS
    assert "activations" in list(METRICS)
    assert "expected_activations" in METRICS


def test_one_name_is_one_metric(install_package: Callable[..., None]) -> None:
    install_package(SOURCE, ANALYTIC_COSTS.group, accuracy="cost")
    with pytest.raises(ValueError, match="metric 'accuracy' is an analytic cost as well, of a package; rename one"):
        get_metric("accuracy")
