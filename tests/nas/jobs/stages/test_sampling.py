"""Samples that predictors and calibrations are fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from nas.jobs.stages.sampling import representative_sample
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space


@pytest.mark.parametrize("policies", [["w8a8"], ["w32a32", "w8a8", "w4a8"]])
def test_no_candidate_is_there_twice(policies: list[str]) -> None:
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(policies))
    sample = representative_sample(space, np.random.default_rng(0), 200)
    assert len(sample) == len(sample.unique()) == 200


def test_both_mixed_and_uniform_policies_are_there() -> None:
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
    sample = representative_sample(space, np.random.default_rng(0), 40)
    kinds = [len(set(sample[row].policy.layers)) for row in range(40)]
    assert 15 <= kinds.count(1) <= 25


def test_a_small_space_gives_all_it_has() -> None:
    space = JointSpace(create_space("resnet20_cifar", 3, 10))
    assert len(representative_sample(space, np.random.default_rng(0), 100)) == 27
