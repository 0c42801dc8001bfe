from __future__ import annotations

from search_spaces.analytic_costs.macs import MACS
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution


def test_every_weight_is_multiplied_at_every_output_pixel_whatever_its_bits() -> None:
    conv = LayerSpec.conv("a", Convolution.square(32, 64, 3, stride=2), 15)
    for policy in (LayerPolicy(), LayerPolicy.quantized(4, 8)):
        assert MACS.layer_cost(conv, policy) == 3 * 3 * 32 * 64 * 8 * 8
