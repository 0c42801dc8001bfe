"""Policies are applied to copies of traced networks; a parameter that is used twice has one policy."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from nas.compression.compress import calibrate
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer
from search_spaces.elastic.weight_steps import to_output_first, to_stored_layout
from search_spaces.operators.weighted import Convolution


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix, self.up = nn.Linear(4, 4), nn.ConvTranspose1d(4, 6, 3, groups=2)

    def forward(self, rows: Tensor) -> Tensor:
        once = self.mix(rows)
        return self.up(self.mix(once.relu()).transpose(1, 2))


@pytest.fixture
def traced() -> TracedNetwork:
    torch.manual_seed(0)
    return trace(Net(), [torch.randn(2, 5, 4)])


def policy(*entries: str) -> CompressionPolicy:
    return CompressionPolicy(tuple(map(LayerPolicy.parse, entries)))


def test_the_given_network_stays_as_it_is(traced: TracedNetwork) -> None:
    rows, before = torch.randn(3, 5, 4), copy.deepcopy(traced.network())
    compressed = compress(traced, policy("w2a2", "w8a8"))
    with torch.no_grad():
        for parameter in compressed.parameters():
            parameter.zero_()
    assert torch.equal(traced.network()(rows), before(rows))


def test_full_precision_computes_the_same(traced: TracedNetwork) -> None:
    rows = torch.randn(3, 5, 4)
    assert torch.equal(compress(traced, policy("w32a32", "w32a32"))(rows), traced.network()(rows))


def test_weights_are_rounded_per_output_channel_of_every_call_site(traced: TracedNetwork) -> None:
    rows, plain = torch.randn(3, 5, 4), Net()
    plain.load_state_dict({"mix.weight": traced.parameters["mix.weight"]}, strict=False)
    compressed = compress(traced, policy("w4a32", "w3a32"))
    up = traced.graph.layers[1].operator
    for module, names in ((plain.mix, ("mix.weight", "mix.bias")), (plain.up, ("up.weight", "up.bias"))):
        module.weight.data, module.bias.data = (traced.parameters[name].detach().clone() for name in names)
    plain.mix.weight.data = WeightQuantizer(4)(plain.mix.weight.data)
    plain.up.weight.data = to_stored_layout(WeightQuantizer(3)(to_output_first(plain.up.weight.data, up)), up)
    torch.testing.assert_close(compressed(rows), plain(rows))
    for channel in to_output_first(plain.up.weight.data, up):
        assert len(channel.unique()) <= 7


def test_layouts_are_a_round_trip() -> None:
    operator = Convolution(4, 6, (3,), (1,), ((0, 0),), (1,), 2, transposed=True)
    stored = torch.randn(operator.parameter_shapes["weight"])
    first = to_output_first(stored, operator)
    assert tuple(first.shape) == operator.weight_shape
    assert torch.equal(to_stored_layout(first, operator), stored)
    assert torch.equal(first[4], stored[2:, 1])  # output 1 of the second group reads the second half of the inputs


def test_ranges_are_calibrated_once_for_all(traced: TracedNetwork) -> None:
    rows, compressed = torch.randn(3, 5, 4), compress(traced, policy("w8a8", "w8a4"))
    calibrate(compressed, [rows])
    quantizers = [module for module in compressed.modules() if isinstance(module, ActivationQuantizer)]
    assert [quantizer.bits for quantizer in quantizers] == [8, 8, 8, 4, 4]
    assert all(quantizer.range for quantizer in quantizers)
    kept = compressed(rows)
    assert torch.equal(compressed(torch.cat([rows, 9 * rows]))[:3], kept)


def test_policies_of_another_length_are_refused(traced: TracedNetwork) -> None:
    with pytest.raises(ValueError, match=r"the policy must have one entry per layer \(2\), got 1"):
        compress(traced, policy("w8a8"))
