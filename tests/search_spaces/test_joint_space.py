"""The laws of candidates, policies and additive costs, over all ready-made spaces."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
import pytest
from numpy.typing import ArrayLike

from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.dataflow import get_block_name
from search_spaces.families.resnet import ResNetSpace
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.search_space import SearchSpace
from search_spaces.subspace import Subspace

POLICIES = PolicySpace.parse(["w32a32", "w8a8", "w4a8"])
COSTS = [cost.layer_cost for cost in ANALYTIC_COSTS.values()]


@pytest.fixture(scope="session")
def joint(space: SearchSpace) -> JointSpace:
    return JointSpace(space, POLICIES)


@pytest.fixture(scope="session")
def small() -> JointSpace:
    return JointSpace(create_space("resnet_digits", 1, 10), POLICIES)


def test_samples_cover_the_domain_and_nothing_else(joint: JointSpace) -> None:
    genes = joint.sample(np.random.default_rng(0), 1000).genes
    assert genes.min() == 0
    assert np.array_equal(genes.max(0), joint.cardinalities - 1)
    assert np.array_equal(joint.sample(np.random.default_rng(0), 1000).genes, genes)


def test_inactive_genes_are_zero_and_change_nothing(joint: JointSpace) -> None:
    rng = np.random.default_rng(1)
    population = joint.sample(rng, 100)
    active = joint.is_active(population.genes)
    elastic = bool(joint.architectures.choices)  # a given network has no gene that is ever inactive
    assert active.all() != elastic
    assert not population.genes[~active].any()
    disturbed = np.where(active, population.genes, rng.integers(0, joint.cardinalities, active.shape)).astype(np.int16)
    assert (disturbed != population.genes).any() == elastic
    assert np.array_equal(joint.population(disturbed).genes, population.genes)
    assert np.array_equal(joint.population(disturbed).features(), population.features())
    assert [candidate.key for candidate in joint.decode(disturbed)] == [population[row].key for row in range(100)]
    for cost in COSTS:
        price = joint.tabulate(cost)
        assert np.array_equal(price(disturbed), price(population.genes))


def test_conditions_tell_which_genes_matter(joint: JointSpace) -> None:
    genes = joint.sample(np.random.default_rng(6), 200).genes
    active = joint.is_active(genes)
    for gene in range(len(joint.genes)):
        condition = joint.find_condition(gene)
        if condition is None:
            assert active[:, gene].all()
        else:
            parent, wanted = condition
            assert np.array_equal(active[:, gene], active[:, parent] & wanted[genes[:, parent]])


def test_features_tell_candidates_apart(joint: JointSpace) -> None:
    population = joint.sample(np.random.default_rng(2), 300)
    features = population.features()
    assert features.shape == (300, joint.cardinalities.sum())
    assert np.array_equal(features.sum(1), joint.is_active(population.genes).sum(1))
    assert len(np.unique(features, axis=0)) == len({population[row] for row in range(300)}) == len(population.unique())


def test_weights_of_genes_are_summed_without_a_matrix(joint: JointSpace) -> None:
    rng = np.random.default_rng(6)
    genes = rng.integers(0, joint.cardinalities, (200, len(joint.cardinalities)))  # inactive ones, too
    weights = rng.random(int(joint.cardinalities.sum()))
    summed = joint.tabulate_linear(weights)(genes.astype(np.int16))
    assert np.allclose(summed, joint.population(genes).one_hot() @ weights, rtol=1e-12)
    with pytest.raises(ValueError, match=rf"have {len(weights)} values, got \(3,\) weights"):
        joint.tabulate_linear(weights[:3])


def test_candidates_round_trip_through_genes_and_json(joint: JointSpace) -> None:
    population = joint.sample(np.random.default_rng(3), 50)
    candidates = [population[row] for row in range(50)]
    assert np.array_equal(joint.encode(candidates).genes, population.genes)
    assert [Candidate.from_json(candidate.to_json()) for candidate in candidates] == candidates


def test_layers_are_looked_up_as_their_slots_tell_them(joint: JointSpace) -> None:
    population = joint.sample(np.random.default_rng(5), 20)
    spaces = joint.architectures
    for layers, candidate in zip(joint.layers(population.genes), population.candidates, strict=True):
        values = spaces.decode_values(spaces.encode(candidate.architecture))
        told = [slot.layer([values[gene] for gene in slot.genes]) for slot in spaces.slots]
        assert layers == tuple(layer for layer in told if layer is not None) == spaces.layers(candidate.architecture)
    assert joint.layers(population.genes[:0]) == []


def test_additive_costs_equal_the_fold_over_layers(joint: JointSpace) -> None:
    population = joint.sample(np.random.default_rng(4), 100)
    folds = []
    for row in range(100):
        candidate = population[row]
        layers = joint.architectures.layers(candidate.architecture)
        assert len(layers) == len(candidate.policy.layers)
        folds.append([sum(map(cost, layers, candidate.policy.layers)) for cost in COSTS])
    tabulated = np.column_stack([joint.tabulate(cost)(population.genes) for cost in COSTS])
    assert np.array_equal(tabulated, folds)


@pytest.mark.parametrize("name", ["mobilenet_v3_digits", "resnet_digits"])
def test_costs_of_blocks_need_not_be_sums(name: str) -> None:
    space = JointSpace(create_space(name, 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
    calls = 0

    def cost(layers: Sequence[tuple[LayerSpec, LayerPolicy]]) -> float:
        nonlocal calls
        calls += 1
        changes = sum(one != other for (_, one), (_, other) in pairwise(layers))
        return 1000.0 * changes + max(layer.macs / policy.weight_bits for layer, policy in layers)

    tabulated, population = space.tabulate_blocks(cost), space.sample(np.random.default_rng(2), 50)
    priced = calls
    found = tabulated(population.genes)
    assert calls == priced  # once per block, not per candidate
    for row, candidate in enumerate(population[i] for i in range(len(population))):
        layers = space.architectures.layers(candidate.architecture)
        pairs = zip(layers, candidate.policy.layers, strict=True)
        blocks = groupby(pairs, key=lambda pair: get_block_name(pair[0].name))
        assert found[row] == pytest.approx(sum(cost(list(block)) for _, block in blocks))


def test_smallest_and_largest_bound_the_space(joint: JointSpace) -> None:
    ends = joint.encode([joint.smallest(), joint.largest()])
    population = joint.sample(np.random.default_rng(5), 500)
    for cost in (ANALYTIC_COSTS[name].layer_cost for name in ("macs", "parameters")):
        price = joint.tabulate(cost)
        low, high = price(ends.genes)
        assert low <= price(population.genes).min()
        assert price(population.genes).max() <= high


def test_distinct_layers_are_those_of_the_candidates(small: JointSpace) -> None:
    shapes = small.list_distinct_layers()
    assert len(set(shapes)) == len(shapes)
    population = small.sample(np.random.default_rng(6), 300)
    met = {layer.unnamed for row in range(300) for layer in small.architectures.layers(population[row].architecture)}
    assert met == set(shapes)


def test_a_candidate_is_decoded_once_and_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10), POLICIES)
    asked = space.sample(np.random.default_rng(8), 6)
    decoded, encoded = [], []
    decode, encode = space.decode, space.architectures.encode
    monkeypatch.setattr(JointSpace, "decode", lambda _, genes: decoded.extend(genes) or decode(genes))
    monkeypatch.setattr(ResNetSpace, "encode", lambda _, one: encoded.append(one) or encode(one))
    for candidate in asked.candidates:  # measured
        space.architectures.layers(candidate.architecture)
    told = space.encode(asked.candidates)  # read back
    assert np.array_equal(told.genes, asked.genes)
    front = asked.take(np.array([4, 1]))
    for row, candidate in enumerate(front.candidates):  # exported
        assert candidate is asked[[4, 1][row]] is front[row]
        space.architectures.layers(candidate.architecture)
        Subspace.only(space, candidate)
    assert len(decoded) == len(asked)
    assert len(encoded) == len({candidate.architecture for candidate in asked.candidates})


def test_what_is_remembered_of_an_encoding_cannot_be_changed(small: JointSpace) -> None:
    genes = small.architectures.encode_once(small.largest().architecture)
    with pytest.raises(ValueError, match="read-only"):
        genes[0] = 0


def test_a_joint_space_travels_as_the_two_spaces_that_it_is_made_of(small: JointSpace) -> None:
    again = pickle.loads(pickle.dumps(small))
    assert again.policies == small.policies
    sample = small.sample(np.random.default_rng(9), 5)
    assert [one.key for one in again.decode(sample.genes)] == [one.key for one in sample.candidates]
    assert len(pickle.dumps(small)) < 3000


@pytest.mark.parametrize(
    ("genes", "message"),
    [([0, 1], "must have shape"), (-1, "outside"), (9, "outside"), (1 << 16, "outside"), (np.nan, "outside")],
)
def test_illegal_genes_are_refused(small: JointSpace, genes: ArrayLike, message: str) -> None:
    vectors = genes if np.ndim(genes) else np.full((2, len(small.cardinalities)), genes)
    with pytest.raises(ValueError, match=message):
        small.population(vectors)


def test_policies_that_do_not_fit_are_refused(small: JointSpace) -> None:
    architecture = small.smallest().architecture
    layers = len(small.architectures.layers(architecture))
    with pytest.raises(ValueError, match=rf"one entry per layer \({layers}\), got {layers + 1}"):
        small.encode([Candidate(architecture, CompressionPolicy((LayerPolicy(),) * (layers + 1)))])
    with pytest.raises(ValueError, match=r"policy of stem is one of .*, got w2a8"):
        small.encode([Candidate(architecture, CompressionPolicy((LayerPolicy.quantized(2, 8),) * layers))])
    with pytest.raises(ValueError, match="distinct policies"):
        PolicySpace.parse(["w8a8", "w8a8"])
