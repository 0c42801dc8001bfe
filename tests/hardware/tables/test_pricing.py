"""Networks cost what their layers or blocks cost, and what every network costs besides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hardware.tables.latency_table import LATENCY, Entry, MissingCost
from hardware.tables.pricing import network_costs
from hardware.tables.roofline import Roofline
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import search_space

W32, W8 = LayerPolicy(), LayerPolicy.quantized(8, 8)
SPACE = JointSpace(search_space("resnet_digits", 1, 10), PolicySpace((W32, W8)))
TABLE = replace(Roofline("npu", {W32: 10.0, W8: 40.0}, 1.0, 2.0).table(SPACE.layer_shapes()), constants={LATENCY: 0.5})


def test_layers_and_what_comes_besides() -> None:
    population = SPACE.sample(np.random.default_rng(0), 30)
    found = network_costs(SPACE, TABLE)(population.genes)
    for row, candidate in enumerate(population[i] for i in range(30)):
        layers = SPACE.architectures.layers(candidate.architecture)
        pairs = list(zip(layers, candidate.policy.layers, strict=True))
        assert found[row] == pytest.approx(TABLE.network_cost(LATENCY, [[pair] for pair in pairs]))
        assert found[row] == pytest.approx(0.5 + sum(TABLE.latency_ms(*pair) for pair in pairs))


def test_an_entry_of_a_block_or_of_a_named_layer_is_found() -> None:
    largest = SPACE.largest()
    layers = SPACE.architectures.layers(largest.architecture)
    stem = layers[0]
    genes = SPACE.encode([largest]).genes
    before = network_costs(SPACE, TABLE)(genes)[0]
    policies = dict(zip((layer.name for layer in layers), largest.policy.layers, strict=True))
    named = replace(TABLE, entries={**TABLE.entries, ((stem, policies["stem"]),): Entry({LATENCY: 7.0})})
    assert network_costs(SPACE, named)(genes)[0] == pytest.approx(before - TABLE.latency_ms(stem, W32) + 7.0)
    pairs = [(layer, policies[layer.name]) for layer in layers if layer.name.startswith("stages.0.0.")]
    together = replace(TABLE, entries={**TABLE.entries, TABLE.segment(pairs): Entry({LATENCY: 9.0})})
    apart = sum(TABLE.latency_ms(*pair) for pair in pairs)
    assert len(pairs) > 1
    assert network_costs(SPACE, together)(genes)[0] == pytest.approx(before - apart + 9.0)


def test_what_the_table_lacks_is_named() -> None:
    with pytest.raises(MissingCost, match="no energy_mj for 'conv"):
        network_costs(SPACE, TABLE, "energy_mj")
