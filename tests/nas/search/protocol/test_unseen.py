"""No candidate is found twice, and none is lost while the space has others."""

from __future__ import annotations

import numpy as np
import pytest

from nas.search.protocol.unseen import UnseenCandidates
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space
from search_spaces.subspace import Subspace

SPACE = JointSpace(create_space("resnet_digits", 1, 10))  # of 288 architectures


def test_samples_are_new_until_the_space_is_spent() -> None:
    unseen = UnseenCandidates(SPACE, np.random.default_rng(0))
    found = [unseen.sample(n) for n in (1, 200, 80, 80)]
    assert [len(genes) for genes in found] == [1, 200, 80, 7]
    assert len(np.unique(np.concatenate(found), axis=0)) == 288
    assert len(unseen.sample(1)) == 0


def test_only_what_lies_in_the_subspace_is_found() -> None:
    subspace = Subspace.whole(SPACE).restrict(0, [1])
    unseen = UnseenCandidates(SPACE, np.random.default_rng(0), subspace)
    everything = SPACE.sample(np.random.default_rng(1), 50)
    assert unseen.are_unseen(everything.genes).tolist() == subspace.contains(everything)
    found = unseen.sample(1000)
    assert (found[:, 0] == 1).all()
    assert len(found) == 288 // SPACE.cardinalities[0]


def test_what_was_admitted_is_neither_designed_nor_sampled() -> None:
    design = SPACE.sample(np.random.default_rng(2), 20).unique()
    unseen = UnseenCandidates(SPACE, np.random.default_rng(0), design=design)
    twice = np.concatenate([design.genes[:3], design.genes[:3]])
    assert np.array_equal(unseen.admit(twice), design.genes[:3])
    assert not unseen.are_unseen(twice).any()
    assert np.array_equal(unseen.take_designed(4), design.genes[3:7])
    assert np.array_equal(unseen.take_designed(1000), design.genes[7:])
    assert len(unseen.take_designed(1)) == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_samples_are_those_of_their_generator(seed: int) -> None:
    first, again = (UnseenCandidates(SPACE, np.random.default_rng(seed)).sample(30) for _ in range(2))
    assert np.array_equal(first, again)
