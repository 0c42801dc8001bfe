"""Where steps lie in a schedule, and which schedules are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nas.training.schedules.phase import FewShotSplit, Phase
from nas.training.schedules.schedule import PhasePosition, Schedule
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10))


def test_phases_end_where_their_epochs_add_up() -> None:
    schedule = Schedule((Phase("a", 1.5, 0.1), Phase("b", 0.25, 0.1), Phase("c", 0.01, 0.1), Phase("d", 2, 0.1)))
    assert schedule.end_steps(10) == [15, 18, 19, 38]  # the tiny phase still has a step
    assert schedule.locate(0, 10) == PhasePosition(0, 0, 15)
    assert schedule.locate(14, 10) == PhasePosition(0, 14, 15)
    assert schedule.locate(18, 10) == PhasePosition(2, 0, 1)
    assert schedule.locate(37, 10) == PhasePosition(3, 18, 19)
    assert schedule.locate(37, 10).progress == pytest.approx(18 / 19)
    with pytest.raises(ValueError, match="ends at step 38, got step 38"):
        schedule.locate(38, 10)


def test_fractions_of_epochs_do_not_add_up_to_more_steps() -> None:
    schedule = Schedule(tuple(Phase(str(number), 0.7, 0.1) for number in range(10)))
    assert schedule.end_steps(3)[-1] == 21


@pytest.mark.parametrize("delay", [0.0, 0.07, 0.29, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("steps", [1, 7, 10, 100])
def test_the_delay_ends_at_the_step_that_trains_all(delay: float, steps: int) -> None:
    phase = Phase("a", 1, 0.1, subnets=("largest", "smallest", "random"), delay=delay)
    delayed = [phase.others_weight_at(PhasePosition(0, step, steps).progress) == 0 for step in range(steps)]
    assert phase.count_delayed_steps(steps) == sum(delayed)
    assert Schedule((phase,)).count_passes(steps) == sum(1 if alone else 3 for alone in delayed)


def test_phases_have_names_of_their_own() -> None:
    with pytest.raises(ValueError, match=r"distinct names, got \['a', 'a'\]"):
        Schedule((Phase("a", 1, 0.1), Phase("a", 2, 0.1)))
    with pytest.raises(ValueError, match="one or more phases"):
        Schedule(())


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        (Phase("p", 1, 0.1, {"kernels": "all"}), "has no 'kernels' to open; it has resolution, depth, kernel, expand"),
        (Phase("p", 1, 0.1, {"kernel": [3, 9]}), r"kernel .* must be some of \[3, 5\], got \[3, 9\]"),
        (Phase("p", 1, 0.1, {"0.0.expand": [6]}), r"0.0.expand .* must be some of \[2, 3, 4\], got \[6\]"),
        (Phase("p", 1, 0.1, {"kernel": "largest 3"}), r"has 2 values \[3, 5\], got 'largest 3'"),
        (Phase("p", 1, 0.1, bit_sampling="hessian"), "bit_sampling hessian needs two or more policies open"),
        (Phase("p", 1, 0.1, {"kernel": "most"}), "of 0.0.kernel is 'all', 'largest N' or a list of values, got 'most'"),
        (
            Phase("p", 1, 0.1, split=FewShotSplit(("width",))),
            "has no 'width' to split by; it has resolution, depth, kernel",
        ),
    ],
)
def test_a_phase_for_another_space_is_named(phase: Phase, message: str) -> None:
    with pytest.raises(ValueError, match=f"phase 'p': .*{message}") as caught:
        Schedule((Phase("fits", 1, 0.1, {"kernel": "all"}), phase)).open_subspaces(SPACE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("opened", "groups"),
    [({"kernel": "all"}, 3), ({"expand": "all"}, 2), ({"kernel": [5]}, 2), ({"0.1.kernel": "all", "depth": "all"}, 2)],
)
def test_a_phase_that_opens_no_gene_to_split_is_named(opened: dict[str, Any], groups: int) -> None:
    schedule = Schedule((Phase("leaves", 1, 0.1, opened, split=FewShotSplit(("kernel",), groups, 1)),))
    with pytest.raises(ValueError, match="phase 'leaves': a split by kernel needs a gene") as caught:
        schedule.open_subspaces(SPACE)
    assert "\n" not in str(caught.value)
    assert f"opens fully, of {groups} or more values, that is active in all candidates; there are 0" in str(
        caught.value
    )


def test_a_supernet_split_too_often_is_refused() -> None:
    split = FewShotSplit(("kernel",), batches=1)
    plain = Phase("plain", 1, 0.1, {"kernel": "all"}, ("random",))
    once, twice, thrice = (replace(plain, name=name, split=split) for name in ("once", "twice", "thrice"))
    Schedule((plain, once, twice)).open_subspaces(SPACE)
    with pytest.raises(
        ValueError, match=r"phase 'thrice': .* there are 2, and earlier splits may have taken 2 of them"
    ):
        Schedule((plain, once, twice, thrice)).open_subspaces(SPACE)


def test_a_gene_of_too_many_values_to_enumerate_is_refused() -> None:
    policies = tuple(f"w{weights}a{activations}" for weights in (8, 7, 6, 5, 4) for activations in (8, 6, 4))
    space = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(policies))
    leaves = Phase("leaves", 1, 0.1, {"policy": "all"}, ("random",), split=FewShotSplit(("policy",), batches=1))
    with pytest.raises(
        ValueError, match=r"phase 'leaves': a split compares at most 12 values of a gene, got 15 of stem"
    ):
        Schedule((leaves,)).open_subspaces(space)
