"""A step trains the subnets that its phase asks for, all at one resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.training.schedules.phase import Phase
from nas.training.step.subnets import draw_subnets, fix_resolution
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.subspace import Subspace

SANDWICH = Phase("p", 1, 0.1, subnets=("largest", "smallest", "random", "random"), loss="in_place")


@pytest.fixture(params=["mobilenet_v3_digits", "resnet_digits"])
def whole(request: pytest.FixtureRequest) -> Subspace:
    return Subspace.whole(JointSpace(create_space(request.param, 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8"])))


def test_subnets_play_their_roles_at_one_resolution(whole: Subspace) -> None:
    seen = set()
    for seed in range(20):
        largest, smallest, *random = draw_subnets(whole, SANDWICH, np.random.default_rng(seed))
        assert len(random) == 2
        assert {one.architecture.resolution for one in random} == {largest.architecture.resolution}
        assert smallest.architecture.resolution == largest.architecture.resolution
        assert largest.architecture.stages == whole.largest().architecture.stages
        assert smallest.architecture.stages == whole.smallest().architecture.stages
        assert draw_subnets(whole, SANDWICH, np.random.default_rng(seed)) == [largest, smallest, *random]
        seen |= {largest, *random}
    assert {one.architecture.resolution for one in seen} == {12, 16}
    assert len(seen) > 30
    mixed = replace(SANDWICH, subnets=("random", "smallest", "largest"), loss="labels")
    chosen = draw_subnets(whole, mixed, np.random.default_rng(0))
    assert chosen[1].architecture.stages == whole.smallest().architecture.stages
    assert chosen[2].architecture.stages == whole.largest().architecture.stages


def test_a_resolution_is_drawn_of_those_that_are_open(whole: Subspace) -> None:
    drawn = [fix_resolution(whole, np.random.default_rng(seed)).open[0] for seed in range(20)]
    assert set(drawn) == {(0,), (1,)}
    closed = whole.restrict(0, (1,))
    assert fix_resolution(closed, np.random.default_rng(0)).open == closed.open
