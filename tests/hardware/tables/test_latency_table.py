"""Latency tables price layers and blocks, and name what they lack."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from hardware.device import ONNXRUNTIME_CPU, read_fingerprint
from hardware.tables.entry import LATENCY, Entry
from hardware.tables.latency_table import LatencyTable, MissingCost
from search_spaces.compressed_layer import expand_layer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

CONV = LayerSpec.conv("stem", Convolution.square(32, 64, 3, stride=2), 16, activation="relu")
LINEAR = LayerSpec.linear("head", 64, 10)
W32, W7, W4 = LayerPolicy(), LayerPolicy.quantized(7, 8), LayerPolicy.quantized(4, 8)


def test_prices_a_layer_whatever_its_name(table: LatencyTable) -> None:
    assert table.latency_ms(replace(CONV, name="elsewhere"), W32) == 0.5
    assert table.latency_ms(LINEAR, W4) == table.latency_ms(LINEAR, W7) == 0.25


def test_a_layer_of_low_rank_costs_what_its_factors_cost() -> None:
    low, sparse = LayerPolicy.parse("w4a8-rank0.5"), LayerPolicy.parse("w4a8-sparse0.5")
    (first, _), (second, _) = expand_layer(CONV, low)
    empty = LatencyTable(ONNXRUNTIME_CPU)
    assert empty.missing([first, second], [low]) == [((first.unnamed, W7),), ((second.unnamed, W7),)]
    latencies = {first: 0.3, second: 0.1, CONV: 1.0}
    table = LatencyTable(
        ONNXRUNTIME_CPU, {((layer.unnamed, W7),): Entry({LATENCY: ms}) for layer, ms in latencies.items()}
    )
    assert table.cost(LATENCY, [(CONV, low)]) == table.latency_ms(CONV, low) == pytest.approx(0.4)
    assert table.cost(LATENCY, [(CONV, sparse)]) == 1.0  # zeros are multiplied, too
    beside = [layer for layer, _ in expand_layer(CONV, LayerPolicy.parse("w2a8-correct0.5"))[1:]]
    table.entries.update({((layer.unnamed, LayerPolicy.quantized(8, 8)),): Entry({LATENCY: 0.2}) for layer in beside})
    assert table.cost(LATENCY, [(CONV, LayerPolicy.parse("w2a8-correct0.5"))]) == pytest.approx(1.4)


def test_layers_cost_what_they_cost_together_or_else_their_sum(table: LatencyTable) -> None:
    assert table.cost(LATENCY, [(CONV, W4), (LINEAR, W7)]) == 0.4
    assert table.cost(LATENCY, [(CONV, W32), (LINEAR, W7)]) == 0.75
    assert table.cost(LATENCY, []) == 0
    assert table.cost("energy_mj", [(LINEAR, W7)]) == 0.125
    assert table.has_blocks
    assert table.metrics == (LATENCY,)
    with pytest.raises(MissingCost, match=r"no energy_mj for 'convolution .*' at w7a8"):
        table.cost("energy_mj", [(CONV, W7), (LINEAR, W7)])


def test_an_entry_with_a_name_stands_for_that_layer_only() -> None:
    second = replace(CONV, name="second")
    entries = {((second, W32),): Entry({LATENCY: 2.0}), ((CONV.unnamed, W32),): Entry({LATENCY: 1.0})}
    table = LatencyTable(ONNXRUNTIME_CPU, entries, "imported")
    assert [table.latency_ms(layer, W32) for layer in (CONV, second)] == [1.0, 2.0]


def test_fields_that_a_table_ignores_make_no_difference() -> None:
    plain = LayerSpec.conv("", Convolution.square(32, 64, 3, stride=2), 16)
    blind = LatencyTable(
        ONNXRUNTIME_CPU, {((plain, W32),): Entry({LATENCY: 1.0})}, "imported", ("activation", "bias", "normalized")
    )
    assert blind.latency_ms(replace(CONV, operator=replace(CONV.operator, bias=True), normalized=False), W32) == 1.0
    with pytest.raises(MissingCost, match=r"convolution in_channels=32 .* at 32x16x16 \+ batch_norm \+ relu"):
        replace(blind, ignores=("bias",)).latency_ms(CONV, W32)


def test_missing_entry_is_an_error_that_names_it(table: LatencyTable) -> None:
    with pytest.raises(MissingCost) as caught:
        table.latency_ms(CONV, W7)
    assert str(caught.value) == (f"no latency_ms for '{CONV}' at w7a8 in 'onnxruntime_cpu'; the table is measured")
    travelled = pickle.loads(pickle.dumps(caught.value))
    assert (str(travelled), travelled.layer) == (str(caught.value), CONV)


def test_missing_lists_each_shape_and_kernel_once_in_order(table: LatencyTable) -> None:
    twin = replace(CONV, name="twin")
    wanted = [((LINEAR.unnamed, W32),), ((CONV.unnamed, W7),)]
    assert table.missing([LINEAR, CONV, twin], [W7, W4, W32]) == wanted
    with pytest.raises(ValueError, match="runs no layer at w4a4"):
        table.missing([CONV], [LayerPolicy.quantized(4, 4)])


def test_entries_of_two_machines_do_not_mix(table: LatencyTable) -> None:
    with pytest.raises(ValueError, match=r"measured on another machine .*is 'abacus'"):
        table.with_entries({}, 1.0, {**read_fingerprint(), "cpu": "abacus"})
