"""Networks cost what their layers or blocks cost, and what every network costs besides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hardware.building.calibrate_table import build_random_network
from hardware.calibration.calibration import Calibration
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensor_use import TensorUse
from hardware.calibration.tensors import find_tensors
from hardware.device import ONNXRUNTIME_CPU
from hardware.tables.entry import LATENCY, Entry
from hardware.tables.latency_table import LatencyTable, MissingCost
from hardware.tables.pricing import price_network, tabulate_prices
from hardware.tables.roofline import Roofline
from search_spaces.compressed_layer import expand_layer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.given import GivenSpace
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

RNG = np.random.default_rng
W32, W8 = LayerPolicy(), LayerPolicy.quantized(8, 8)
SPACE = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace((W32, W8)))
TABLE = replace(
    Roofline("npu", {W32: 10.0, W8: 40.0}, 1.0, 2.0).table(SPACE.list_distinct_layers()), constants={LATENCY: 0.5}
)


def test_layers_and_what_comes_besides() -> None:
    population = SPACE.sample(np.random.default_rng(0), 30)
    found = tabulate_prices(SPACE, TABLE)(population.genes)
    for row, candidate in enumerate(population[i] for i in range(30)):
        layers = SPACE.architectures.layers(candidate.architecture)
        pairs = list(zip(layers, candidate.policy.layers, strict=True))
        assert found[row] == pytest.approx(TABLE.total(LATENCY, [[pair] for pair in pairs]))
        assert found[row] == pytest.approx(0.5 + sum(TABLE.latency_ms(*pair) for pair in pairs))


def test_factors_are_priced_in_place_of_a_layer_of_low_rank() -> None:
    low = LayerPolicy.parse("w8a8-rank0.9")
    space = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace((W8, low)))
    assert space.list_distinct_layers()[: len(SPACE.list_distinct_layers())] == SPACE.list_distinct_layers()
    table = Roofline("npu", {W32: 10.0, W8: 40.0}, 1.0, 2.0).table(space.list_distinct_layers())
    population = space.sample(np.random.default_rng(0), 30)
    one_ms = TensorCosts({TensorUse.parse("float"): TensorCost(1.0, 0.0)})  # the mean of all uses, so every tensor's
    apart = tabulate_prices(space, replace(table, calibration=Calibration(tensors=one_ms)))(population.genes)
    prices = tabulate_prices(space, table)(population.genes)
    for price, whole, candidate in zip(prices, apart, population.candidates, strict=True):
        tensors = find_tensors(build_random_network(space, candidate, table.device))
        assert whole - price == pytest.approx(len(tensors))  # as without low rank: nothing is converted between factors
        pairs = zip(space.architectures.layers(candidate.architecture), candidate.policy.layers, strict=True)
        assert price == pytest.approx(sum(table.latency_ms(*one) for pair in pairs for one in expand_layer(*pair)))


@pytest.mark.parametrize("name", ["mobilenet_v3_digits", "resnet_digits", "mobilenet_v3_imagenet", "given"])
def test_calibrated_latencies_are_those_of_the_walk_through_each_network(name: str, given_space: GivenSpace) -> None:
    architectures = given_space if name == "given" else create_space(name, 3, 10)
    space, rng = JointSpace(architectures, PolicySpace.parse(["w32a32", "w8a8", "w4a8"])), RNG(0)
    device = ONNXRUNTIME_CPU
    rates = {W32: 10.0, LayerPolicy.quantized(7, 8): 50.0, W8: 40.0}
    entries = Roofline("npu", rates, 1.0, 2.0).table(space.list_distinct_layers()).entries
    networks = [build_random_network(space, one, device) for one in space.sample(rng, 20).candidates]
    uses = dict.fromkeys(tensor.use for network in networks for tensor in find_tensors(network))
    costs = TensorCosts({use: TensorCost(rng.uniform(-0.01, 0.02), rng.uniform(0.0, 1e-5)) for use in uses})
    table = LatencyTable(device, entries).with_calibration(Calibration(0.3, costs), {})
    fresh = space.sample(rng, 100)  # some have uses that are not known
    walked = [price_network(build_random_network(space, one, device), table) for one in fresh.candidates]
    assert tabulate_prices(space, table)(fresh.genes) == pytest.approx(walked, rel=1e-9)


def test_an_entry_of_a_block_or_of_a_named_layer_is_found() -> None:
    largest = SPACE.largest()
    layers = SPACE.architectures.layers(largest.architecture)
    stem = layers[0]
    genes = SPACE.encode([largest]).genes
    before = tabulate_prices(SPACE, TABLE)(genes)[0]
    policies = dict(zip((layer.name for layer in layers), largest.policy.layers, strict=True))
    named = replace(TABLE, entries={**TABLE.entries, ((stem, policies["stem"]),): Entry({LATENCY: 7.0})})
    assert tabulate_prices(SPACE, named)(genes)[0] == pytest.approx(before - TABLE.latency_ms(stem, W32) + 7.0)
    pairs = [(layer, policies[layer.name]) for layer in layers if layer.name.startswith("stages.0.0.")]
    together = replace(TABLE, entries={**TABLE.entries, TABLE.segment(pairs): Entry({LATENCY: 9.0})})
    apart = sum(TABLE.latency_ms(*pair) for pair in pairs)
    assert len(pairs) > 1
    assert tabulate_prices(SPACE, together)(genes)[0] == pytest.approx(before - apart + 9.0)


def test_what_the_table_lacks_is_named() -> None:
    with pytest.raises(MissingCost, match="no energy_mj for 'conv"):
        tabulate_prices(SPACE, TABLE, "energy_mj")
