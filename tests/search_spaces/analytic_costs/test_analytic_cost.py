from __future__ import annotations

from search_spaces.analytic_costs.analytic_cost import AnalyticCost
from search_spaces.choices import NonLayerCosts


def test_what_is_outside_the_layers_costs_nothing_unless_it_is_said() -> None:
    cost = AnalyticCost("count", lambda layer, _policy: float(layer.output_elements))
    assert cost.non_layer_cost(NonLayerCosts(1, 2, 3)) == 0.0
