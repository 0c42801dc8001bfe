"""Every ready-made schedule fits every ready-made space, at any length."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nas.training.schedules.presets import deps, sandwich
from nas.training.schedules.registry import SCHEDULES, create_schedule
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import SPACES, create_space
from search_spaces.subspace import Subspace

SPACE_NAMES = list(SPACES)


def joint(name: str) -> JointSpace:
    return JointSpace(create_space(name, 3, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))


def holds(outer: Subspace, inner: Subspace) -> bool:
    return all(set(theirs) <= set(mine) for mine, theirs in zip(outer.open, inner.open, strict=True))


@pytest.mark.parametrize("space_name", SPACE_NAMES)
@pytest.mark.parametrize("name", SCHEDULES)
def test_each_phase_opens_more_until_all_is_open(name: str, space_name: str) -> None:
    space = joint(space_name)
    subspaces = create_schedule(name, 10, 0.1, space).open_subspaces(space)
    assert all(holds(later, earlier) for earlier, later in pairwise(subspaces))
    whole, everything = Subspace.whole(space), name == "multi_precision"
    for gene, opened, values in zip(space.genes, subspaces[-1].open, whole.open, strict=True):
        assert opened == (values if everything or not gene.is_policy else (0,)), gene.name


@pytest.mark.parametrize("epochs", [0.5, 1, 7, 620])
@pytest.mark.parametrize("name", SCHEDULES)
def test_lengths_and_learning_rates_scale(name: str, epochs: float) -> None:
    space = joint("mobilenet_v3_digits")
    schedule, ends = create_schedule(name, epochs, 0.1, space), create_schedule(name, epochs, 0.1, space).end_steps(20)
    assert sum(phase.epochs for phase in schedule.phases) == pytest.approx(epochs)
    assert all(earlier < later for earlier, later in pairwise([0, *ends]))
    assert ends[-1] == pytest.approx(20 * sum(phase.epochs for phase in schedule.phases), abs=len(ends))
    assert max(phase.learning_rate for phase in schedule.phases) == 0.1
    assert create_schedule(name, epochs, 0.2, space).phases[-1].learning_rate == 2 * schedule.phases[-1].learning_rate


def test_no_delay_and_no_ramp_are_the_sandwich_rule() -> None:
    assert deps(7, 0.1, delay=0.0, ramp=0.0) == sandwich(7, 0.1)
    assert deps(7, 0.1, delay=0.0) != sandwich(7, 0.1)
