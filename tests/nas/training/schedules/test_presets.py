"""Every ready-made schedule fits every ready-made space, at any length."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nas.training.schedules.presets import PRESETS, deps, fitted, ofa, preset, sandwich
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
@pytest.mark.parametrize("name", PRESETS)
def test_each_phase_opens_more_until_all_is_open(name: str, space_name: str) -> None:
    space = joint(space_name)
    domains = preset(name, 10, 0.1, space).domains(space)
    assert all(holds(later, earlier) for earlier, later in pairwise(domains))
    whole, everything = Subspace.whole(space), name == "multi_precision"
    for gene, opened, values in zip(space.genes, domains[-1].open, whole.open, strict=True):
        assert opened == (values if everything or not gene.is_policy else (0,)), gene.name


@pytest.mark.parametrize("epochs", [0.5, 1, 7, 620])
@pytest.mark.parametrize("name", PRESETS)
def test_lengths_and_learning_rates_scale(name: str, epochs: float) -> None:
    space = joint("mobilenet_v3_digits")
    schedule, ends = preset(name, epochs, 0.1, space), preset(name, epochs, 0.1, space).ends(20)
    assert sum(phase.epochs for phase in schedule.phases) == pytest.approx(epochs)
    assert all(earlier < later for earlier, later in pairwise([0, *ends]))
    assert ends[-1] == pytest.approx(20 * sum(phase.epochs for phase in schedule.phases), abs=len(ends))
    assert max(phase.learning_rate for phase in schedule.phases) == 0.1
    assert preset(name, epochs, 0.2, space).phases[-1].learning_rate == 2 * schedule.phases[-1].learning_rate


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
    space, written = joint(space_name), {phase.name: phase for phase in ofa(10, 0.1).phases}
    schedule = fitted(ofa(10, 0.1), space)
    assert [phase.name for phase in schedule.phases] == names
    opened = [domain.open for domain in schedule.domains(space)]
    assert all(earlier != later for earlier, later in pairwise(opened))
    assert sum(phase.epochs for phase in schedule.phases) == pytest.approx(10)
    stretch = 10 / sum(written[name].epochs for name in names)
    for phase in schedule.phases:
        original = written[phase.name]
        assert phase.epochs == pytest.approx(stretch * original.epochs)
        assert phase.warm_up_epochs == pytest.approx(stretch * original.warm_up_epochs)
        assert phase.learning_rate == original.learning_rate


def test_no_delay_and_no_ramp_are_the_sandwich_rule() -> None:
    assert deps(7, 0.1, delay=0.0, ramp=0.0) == sandwich(7, 0.1)
    assert deps(7, 0.1, delay=0.0) != sandwich(7, 0.1)


@pytest.mark.parametrize("policy", ["w32a32", "w8a8"])
def test_policies_are_trained_where_there_are_several(policy: str) -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse([policy]))
    with pytest.raises(ValueError, match=f"two or more to choose from, got {policy}; add some") as caught:
        preset("multi_precision", 10, 0.1, space)
    assert "\n" not in str(caught.value)
    assert preset("deps", 10, 0.1, space).domains(space)
