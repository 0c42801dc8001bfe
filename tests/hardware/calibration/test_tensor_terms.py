"""What is tabulated is what the walk through one network finds, whatever it lacks and however little fits a table."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.building.calibrate_table import build_random_network
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensor_terms import tabulate_tensors
from hardware.calibration.tensors import find_tensors
from hardware.device import ONNXRUNTIME_CPU
from search_spaces import quantities as quantities_module
from search_spaces.additive_cost import AdditiveCost
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicyRule, PolicySpace
from search_spaces.population import Population
from search_spaces.presets import SPACES, create_space
from search_spaces.quantities import Quantities

W32, W8, W4 = (LayerPolicy.parse(text) for text in ("w32a32", "w8a8", "w4a8"))
DEVICE = ONNXRUNTIME_CPU


def _made_up_costs(population: Population, rng: np.random.Generator) -> TensorCosts:
    """A cost of its own for every use that some networks have."""
    networks = [build_random_network(population.space, candidate, DEVICE) for candidate in population.candidates]
    uses = dict.fromkeys(tensor.use for network in networks for tensor in find_tensors(network))
    return TensorCosts({use: TensorCost(rng.uniform(-0.01, 0.02), rng.uniform(0.0, 1e-5)) for use in uses})


@pytest.mark.parametrize("cached_entries", [1 << 14, 1 << 10])  # few derived columns, or many
@pytest.mark.parametrize("name", SPACES)
def test_equals_the_walk(name: str, cached_entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantities_module, "CACHED_ENTRIES", cached_entries)
    policies = PolicySpace((W32, W8, W4), (PolicyRule((W8, W32), position="last"),))
    space = JointSpace(create_space(name, 3, 10), policies)
    rng = np.random.default_rng(0)
    costs = _made_up_costs(space.sample(rng, 5), rng)  # so that other networks have uses that are not known
    quantities = Quantities(space.cardinalities.tolist())
    terms = tabulate_tensors(space, DEVICE, costs, quantities)
    priced = AdditiveCost(terms, quantities.derived)
    fresh = space.sample(rng, 40)
    tensors = [find_tensors(build_random_network(space, candidate, DEVICE)) for candidate in fresh.candidates]
    assert any(tensor.use not in costs.by_use for network in tensors for tensor in network)
    expected = [costs.total(network) for network in tensors]
    assert priced(fresh.genes) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    free = np.where(space.is_active(fresh.genes), fresh.genes, space.cardinalities - 1).astype(np.int16)
    assert np.array_equal(priced(free), priced(fresh.genes))  # blind to genes that are not active
