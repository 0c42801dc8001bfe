"""Parts of a joint space: what is open in them, what they draw and what they hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.subspace import Subspace
from search_spaces.value_selector import ValueSelector

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))
NUMBER = {gene.name: number for number, gene in enumerate(SPACE.genes)}
DEPTH, KERNEL, EXPAND = NUMBER["0.depth"], NUMBER["0.1.kernel"], NUMBER["0.0.expand"]
POLICY = NUMBER["stem.policy"]
MIXED: Mapping[str, ValueSelector] = {
    "resolution": "all",
    "expand": "largest 2",
    "0.0.expand": [2, 4],
    "policy": ["w8a8"],
}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_nothing_opened_is_the_largest_network() -> None:
    closed = Subspace.opened(SPACE, {})
    assert closed.largest() == closed.smallest() == closed.sample(rng(), 1)[0] == SPACE.largest()


def test_everything_opened_is_the_whole_space() -> None:
    everything = dict.fromkeys(("resolution", "depth", "kernel", "expand", "policy"), "all")
    whole = Subspace.whole(SPACE)
    assert Subspace.opened(SPACE, everything).open == whole.open
    assert whole.largest() == SPACE.largest()
    smallest = SPACE.encode([SPACE.smallest()]).genes[0]
    first_policy = len(SPACE.architectures.choices)
    found = SPACE.encode([whole.smallest()]).genes[0]
    assert np.array_equal(found[:first_policy], smallest[:first_policy])
    assert {str(policy) for policy in whole.smallest().policy.layers} == {"w4a8"}  # the last one


def test_a_gene_counts_more_than_its_dimension() -> None:
    mixed = Subspace.opened(SPACE, MIXED)
    opened = {gene.name: [gene.values[v] for v in values] for gene, values in zip(SPACE.genes, mixed.open, strict=True)}
    assert opened["resolution"] == [12, 16]
    assert opened["0.0.expand"] == [2, 4]
    assert opened["0.1.expand"] == opened["1.0.expand"] == [3, 4]
    assert opened["0.depth"] == [2]
    assert opened["stem.policy"] == ["w8a8"]
    assert Subspace.opened(SPACE, {"policy": "largest 2"}).open[POLICY] == (0, 1)  # the first ones, unlike widths


@pytest.mark.parametrize(
    ("selectors", "words"),
    [
        ({"width": "all"}, ["no 'width' to open", "resolution, depth, kernel, expand, policy"]),
        ({"5.depth": "all"}, ["no '5.depth' to open"]),
        ({"kernel": [3, 9]}, ["kernel", "[3, 5]", "got [3, 9]"]),
        ({"0.depth": []}, ["0.depth", "[1, 2]", "got []"]),
        ({"depth": "largest 3"}, ["0.depth", "2 values [1, 2]", "'largest 3'"]),
        ({"depth": "largest"}, ["'all', 'largest N' or a list", "'largest'"]),
        ({"depth": "largest 0"}, ["'all', 'largest N' or a list", "'largest 0'"]),
        ({"depth": "smallest 1"}, ["'all', 'largest N' or a list", "'smallest 1'"]),
        ({"policy": ["w2a8"]}, ["policy", "['w32a32', 'w8a8', 'w4a8']", "['w2a8']"]),
    ],
)
def test_what_the_space_lacks_cannot_be_opened(selectors: Mapping[str, ValueSelector], words: list[str]) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (the words are checked)
        Subspace.opened(SPACE, selectors)
    assert all(word in str(refused.value) for word in words), refused.value


def test_samples_are_held_and_reach_every_open_value() -> None:
    mixed = Subspace.opened(SPACE, MIXED)
    population = mixed.sample(rng(), 300)
    active = SPACE.is_active(population.genes)
    for gene, values in enumerate(mixed.open):
        assert set(population.genes[active[:, gene], gene].tolist()) == set(values)
    assert mixed.contains(population) == [True] * 300
    assert mixed.contains(SPACE.encode([mixed.largest(), SPACE.smallest(), mixed.smallest()])) == [True, False, True]


def test_only_genes_that_matter_decide_what_is_held() -> None:
    kernels = Subspace.whole(SPACE).restrict(KERNEL, (1,))
    genes = np.repeat(SPACE.encode([SPACE.largest()]).genes, 3, axis=0)
    genes[1:, KERNEL] = 0
    genes[2, DEPTH] = 0  # without its second block, the stage has no such kernel
    assert kernels.contains(SPACE.population(genes)) == [True, False, True]


def test_one_candidate_alone() -> None:
    candidate = Subspace.whole(SPACE).sample(rng(), 1)[0]
    alone = Subspace.only(SPACE, candidate)
    assert alone.largest() == alone.smallest() == alone.sample(rng(), 3)[2] == candidate
    assert Subspace.opened(SPACE, {}).confine_to(alone).largest() == candidate


def test_candidates_are_drawn_with_their_probabilities() -> None:
    whole = Subspace.whole(SPACE)
    uniform, biased = whole, whole.with_probabilities({POLICY: [1.0, 0.0, 3.0]})
    n, shares = 4000, []
    for subspace in (uniform, biased):
        drawn = subspace.sample(rng(), n).genes
        shares.append([np.bincount(drawn[:, gene], minlength=3) / n for gene in (POLICY, EXPAND)])
    assert np.allclose(shares[0], 1 / 3, atol=0.03)
    assert np.allclose(shares[1], [[0.25, 0.0, 0.75], [1 / 3] * 3], atol=0.03)
    assert np.array_equal(biased.sample(rng(), 9).genes, biased.sample(rng(), 9).genes)
    few = biased.restrict(POLICY, (0, 1)).sample(rng(), 100).genes
    assert not few[:, POLICY].any()  # all that is left of the probabilities
    closed = whole.restrict(POLICY, (1, 2)).with_probabilities({POLICY: [5.0, 1.0, 1.0]})
    assert closed.probabilities is not None
    assert closed.probabilities[POLICY] == (0.5, 0.5)


def test_nothing_of_a_gene_cannot_be_left() -> None:
    some = Subspace.opened(SPACE, {"kernel": [5]})
    with pytest.raises(ValueError, match=r"none of the values \[0\] of 0\.1\.kernel is open"):
        some.restrict(KERNEL, (0,))


def test_parts_and_unions() -> None:
    wide = Subspace.opened(SPACE, {"expand": [3, 4], "policy": ["w32a32"]})
    small = Subspace.opened(SPACE, {"expand": [2, 3], "policy": ["w8a8", "w4a8"], "kernel": [3]})
    both, either = wide.confine_to(small), wide.union(small)
    assert both.open[EXPAND] == (1,)
    assert both.open[KERNEL] == (0,)  # nothing is common: the part's largest
    assert both.open[POLICY] == (1,)  # the part's first policy
    assert small.confine_to(wide).open[POLICY] == (0,)
    assert either.open[EXPAND] == (0, 1, 2)
    assert either.open[KERNEL] == (0, 1)
    assert either.open[POLICY] == (0, 1, 2)
    for part in (wide, small):
        assert either.contains(SPACE.encode([part.largest(), part.smallest()])) == [True, True]
        assert part.union(part).open == part.confine_to(part).open == part.open


def test_a_part_of_a_space_with_other_policies_is_refused() -> None:
    for policies in (["w32a32"], ["w32a32", "w4a8", "w8a8"], ["w32a32", "w8a8", "w2a8"]):
        other = Subspace.whole(JointSpace(SPACE.architectures, PolicySpace.parse(policies)))
        message = r"a leaf of policies .* cannot serve a space of policies .*\['w32a32', 'w8a8', 'w4a8'\]"
        with pytest.raises(ValueError, match=message) as refused:
            Subspace.whole(SPACE).confine_to(other)
        assert "\n" not in str(refused.value)


OPENED: list[Mapping[str, ValueSelector]] = [
    dict.fromkeys(("resolution", "depth", "policy"), "all"),
    {"depth": "largest 1"},
    {"depth": "largest 1", "0.depth": "all"},
    {"depth": [1]},
]


@pytest.mark.parametrize("opened", OPENED)
@pytest.mark.parametrize("name", ["mobilenet_v3_digits", "mobilenet_v3_cifar", "resnet_cifar", "resnet20_cifar"])
def test_a_gene_is_always_active_where_no_candidate_lacks_it(name: str, opened: Mapping[str, ValueSelector]) -> None:
    space = JointSpace(create_space(name, 3, 10), SPACE.policies)
    part = Subspace.opened(space, opened)
    population = part.sample(rng(), 300)
    found = [part.is_always_active(gene) for gene in range(len(space.genes))]
    assert found == space.is_active(population.genes).all(0).tolist()
    assert any(found)
    assert all(found) == (opened == {"depth": "largest 1"})


def test_slots_hold_the_layers_of_the_open_values() -> None:
    part = Subspace.opened(SPACE, {"resolution": "all", "kernel": "all", "0.depth": [1, 2], "0.0.expand": [2, 3]})
    met: dict[str, set[object]] = {slot.name: set() for slot in SPACE.architectures.slots}
    population = part.sample(rng(), 300)
    for row in range(300):
        for layer in SPACE.architectures.layers(population[row].architecture):
            met[layer.name].add(layer)
    for slot in SPACE.architectures.slots:
        assert part.collect_layers(slot) == met[slot.name]
    closed = {slot.name: len(Subspace.opened(SPACE, {}).collect_layers(slot)) for slot in SPACE.architectures.slots}
    assert set(closed.values()) == {1}
