"""A ready-made schedule is found by its name and fitted to what is elastic in a space."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nas.training.schedules.presets import ofa
from nas.training.schedules.registry import create_schedule, fit_schedule_to
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space


@pytest.mark.parametrize(
    ("space_name", "names"),
    [
        ("mobilenet_v3_cifar", ["full", "kernel", "depth-1", "depth-2", "width-1", "width-2"]),
        ("mobilenet_v3_digits", ["full", "kernel", "depth-2", "width-1", "width-2"]),  # two depths
        ("resnet_cifar", ["full", "depth-1", "depth-2", "width-1", "width-2"]),  # no kernels
        ("resnet_digits", ["full", "depth-2", "width-2"]),  # two widths, too
    ],
)
def test_phases_that_open_nothing_are_left_out_and_the_others_share_their_epochs(
    space_name: str, names: list[str]
) -> None:
    space, written = JointSpace(create_space(space_name, 3, 10)), {phase.name: phase for phase in ofa(10, 0.1).phases}
    schedule = fit_schedule_to(space, ofa(10, 0.1))
    assert [phase.name for phase in schedule.phases] == names
    opened = [subspace.open for subspace in schedule.open_subspaces(space)]
    assert all(earlier != later for earlier, later in pairwise(opened))
    assert sum(phase.epochs for phase in schedule.phases) == pytest.approx(10)
    stretch = 10 / sum(written[name].epochs for name in names)
    for phase in schedule.phases:
        original = written[phase.name]
        assert phase.epochs == pytest.approx(stretch * original.epochs)
        assert phase.warm_up_epochs == pytest.approx(stretch * original.warm_up_epochs)
        assert phase.learning_rate == original.learning_rate


@pytest.mark.parametrize("policy", ["w32a32", "w8a8"])
def test_policies_are_trained_where_there_are_several(policy: str) -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse([policy]))
    with pytest.raises(ValueError, match=f"two or more to choose from, got {policy}; add some") as caught:
        create_schedule("multi_precision", 10, 0.1, space)
    assert "\n" not in str(caught.value)
    assert create_schedule("deps", 10, 0.1, space).open_subspaces(space)


def test_an_unknown_schedule_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(ValueError, match="deps"):
        create_schedule("slow", 10, 0.1, JointSpace(create_space("resnet_digits", 1, 10)))
