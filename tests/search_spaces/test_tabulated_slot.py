"""Slots know which genes decide whether they hold a layer, and costs of layers become terms over few genes."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.additive_cost import AdditiveCost
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.search_space import SearchSpace
from search_spaces.tabulated_slot import TabulatedSlot, tabulate_block, tabulate_layer

SPACE = create_space("mobilenet_v3_digits", 1, 10)
POLICIES = tuple(map(LayerPolicy.parse, ("w32a32", "w8a8")))


def _slot(name: str, space: SearchSpace = SPACE) -> TabulatedSlot:
    return next(TabulatedSlot(space, slot) for slot in space.slots if slot.name == name)


def test_only_the_depth_decides_whether_a_later_block_is_there() -> None:
    assert _slot("stages.0.0.expand").find_deciding_genes() == []
    ((gene, mask),) = _slot("stages.0.1.expand").find_deciding_genes()
    assert SPACE.choices[gene].name == "0.depth"
    assert mask.tolist() == [False, True]


def test_a_slot_of_blocks_that_no_network_has_is_always_empty() -> None:
    shallow = RestrictedSpace(SPACE, {"depth": [1]})
    assert _slot("stages.0.1.expand", shallow).is_always_empty
    assert not _slot("stages.0.0.expand", shallow).is_always_empty


def test_an_empty_slot_costs_nothing_under_any_policy() -> None:
    slot, gene = _slot("stages.0.1.expand"), len(SPACE.choices)
    cost = AdditiveCost([tabulate_layer(slot, gene, POLICIES, lambda layer, policy: layer.macs + policy.weight_bits)])
    genes = np.zeros((4, gene + 1), np.int16)
    genes[2:, SPACE.choice_index["0.depth"]] = 1
    genes[1::2, gene] = 1
    layer = slot.look_up_layer([genes[2, column] for column in slot.columns])
    assert layer is not None
    assert cost(genes).tolist() == [0, 0, layer.macs + 32, layer.macs + 8]


def test_a_block_of_too_many_combinations_is_refused_before_it_is_priced() -> None:
    space = JointSpace(SPACE, PolicySpace.parse([f"w{bits}a8" for bits in range(2, 9)]))
    with pytest.raises(ValueError, match=r"of a block of 12 layers under up to 7 policies take .* use fewer policies"):
        tabulate_block(space.slots[:12], range(12), space.slot_policies[:12], lambda _: pytest.fail("was priced"))
