from __future__ import annotations

from search_spaces.analytic_costs.bops import BOPS
from search_spaces.choices import NonLayerCosts
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec


def test_operations_count_by_the_bits_of_both_factors() -> None:
    linear = LayerSpec.linear("b", 10, 3)
    assert BOPS.layer_cost(linear, LayerPolicy()) == 30 * 32 * 32
    assert BOPS.layer_cost(linear, LayerPolicy.quantized(3, 8)) == 30 * 3 * 8
    assert BOPS.non_layer_cost(NonLayerCosts(macs=7)) == 7 * 32 * 32
