"""Part of a space is a space of the same networks."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.given import GivenSpace
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.search_space import SearchSpace
from search_spaces.value_selector import ValueSelector

POLICIES = PolicySpace((LayerPolicy(), LayerPolicy.quantized(8, 8)))
ONE: dict[str, ValueSelector] = {"resolution": [28], "depth": [2], "kernel": [5], "expand": [3]}


def _restrict(**selectors: ValueSelector) -> RestrictedSpace:
    return RestrictedSpace(create_space("mobilenet_v3_cifar", 3, 10), selectors)


def test_one_value_everywhere_is_one_network() -> None:
    space = JointSpace(_restrict(**ONE), POLICIES)
    assert space.architectures.count() == 1
    layers = space.architectures.layers(space.architectures.largest())
    assert set(space.list_distinct_layers()) == {layer.unnamed for layer in layers}
    sample = space.sample(np.random.default_rng(0), 50)
    assert len(sample.unique()) > 40  # its policies are still to be searched
    assert {sample[row].architecture for row in range(50)} == {space.architectures.largest()}


def test_candidates_and_costs_are_those_of_the_whole(family: SearchSpace) -> None:
    depth = next(choice for choice in family.choices if choice.name.endswith("depth") or choice.name.endswith("width"))
    restricted = RestrictedSpace(family, {depth.name: depth.values[:1], "resolution": "largest 1"})
    part, whole = JointSpace(restricted, POLICIES), JointSpace(family, POLICIES)
    assert restricted.count() < family.count()
    sample = part.sample(np.random.default_rng(1), 100)
    again = whole.encode([sample[row] for row in range(100)])
    assert [again[row].key for row in range(100)] == [sample[row].key for row in range(100)]
    macs = [
        joint.tabulate(lambda layer, _: layer.macs)(genes)
        for joint, genes in ((part, sample.genes), (whole, again.genes))
    ]
    assert np.array_equal(*macs)


def test_what_every_network_has_besides_is_that_of_the_whole(given_space: GivenSpace) -> None:
    part = RestrictedSpace(given_space, {})
    assert (part.inputs, part.non_layer_costs) == (given_space.inputs, given_space.non_layer_costs)
    assert part.largest() == given_space.largest()


def test_what_was_left_out_is_refused() -> None:
    space = _restrict(depth=[1, 3])
    with pytest.raises(ValueError, match=r"0.depth of space 'mobilenet_v3_cifar' must be one of \(1, 3\), got 2"):
        space.encode(_restrict(depth=[2]).largest())


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        ({"width": [1]}, "has no 'width' to open; it has resolution, depth, kernel, expand"),
        ({"depth": [9]}, r"depth of space 'mobilenet_v3_cifar' must be some of \[1, 2, 3\], got \[9\]"),
        ({"depth": "smallest"}, "'all', 'largest N' or a list of values, got 'smallest'"),
    ],
)
def test_unknown_values_are_refused(selectors: dict[str, ValueSelector], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _restrict(**selectors)
