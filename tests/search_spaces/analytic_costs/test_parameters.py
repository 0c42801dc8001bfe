from __future__ import annotations

from search_spaces.analytic_costs.parameters import PARAMETERS
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec


def test_weights_and_biases_count_alike_whatever_their_bits() -> None:
    linear = LayerSpec.linear("b", 10, 3)
    for policy in (LayerPolicy(), LayerPolicy.quantized(4, 8)):
        assert PARAMETERS.layer_cost(linear, policy) == 30 + 3
