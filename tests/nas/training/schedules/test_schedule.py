"""Where steps lie in a schedule, and which schedules are refused."""

from __future__ import annotations

from typing import Any

import pytest

from nas.training.schedules.phase import Phase, Split
from nas.training.schedules.schedule import Moment, Schedule
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10))


def test_phases_end_where_their_epochs_add_up() -> None:
    schedule = Schedule((Phase("a", 1.5, 0.1), Phase("b", 0.25, 0.1), Phase("c", 0.01, 0.1), Phase("d", 2, 0.1)))
    assert schedule.ends(10) == [15, 18, 19, 38]  # the tiny phase still has a step
    assert schedule.moment(0, 10) == Moment(0, 0, 15)
    assert schedule.moment(14, 10) == Moment(0, 14, 15)
    assert schedule.moment(18, 10) == Moment(2, 0, 1)
    assert schedule.moment(37, 10) == Moment(3, 18, 19)
    assert schedule.moment(37, 10).position == pytest.approx(18 / 19)
    with pytest.raises(ValueError, match="ends at step 38, got step 38"):
        schedule.moment(38, 10)


def test_fractions_of_epochs_do_not_add_up_to_more_steps() -> None:
    schedule = Schedule(tuple(Phase(str(number), 0.7, 0.1) for number in range(10)))
    assert schedule.ends(3)[-1] == 21


def test_others_join_after_the_delay_and_rise_to_full_weight() -> None:
    phase = Phase("a", 1, 0.1, subnets=("largest", "random"), delay=0.5, ramp=0.2, ramp_start=0.01)
    assert [phase.others_weight(position) for position in (0.0, 0.499)] == [0.0, 0.0]
    assert phase.others_weight(0.5) == pytest.approx(0.01)
    assert phase.others_weight(0.55) == pytest.approx(0.1)  # half of the ramp: 0.01 ** (1 - 1/2)
    assert phase.others_weight(0.6) == pytest.approx(1.0)
    assert phase.others_weight(0.99) == 1.0
    assert Phase("a", 1, 0.1, delay=0.5).others_weight(0.5) == 1.0
    assert Phase("a", 1, 0.1, delay=1.0).others_weight(0.999) == 0.0


@pytest.mark.parametrize("delay", [0.0, 0.07, 0.29, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("steps", [1, 7, 10, 100])
def test_the_delay_ends_at_the_step_that_trains_all(delay: float, steps: int) -> None:
    phase = Phase("a", 1, 0.1, subnets=("largest", "smallest", "random"), delay=delay)
    delayed = [phase.others_weight(Moment(0, step, steps).position) == 0 for step in range(steps)]
    assert phase.steps_alone(steps) == sum(delayed)
    assert Schedule((phase,)).passes(steps) == sum(1 if alone else 3 for alone in delayed)


def test_learning_rates_fall_or_stay() -> None:
    assert [Phase("a", 1, 0.4).learning_rate_at(p) for p in (0.0, 0.5)] == pytest.approx([0.4, 0.2])
    assert Phase("a", 1, 0.4, law="constant").learning_rate_at(0.9) == 0.4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 0}, "epochs must be above 0 and finite, got 0"),
        ({"epochs": float("nan")}, "epochs must be above 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"subnets": ()}, "subnets must be one or more"),
        ({"subnets": ("largest", "widest")}, "subnets must be one or more"),
        ({"subnets": ("random", "largest"), "loss": "in_place"}, "subnets must begin with largest where it teaches"),
        ({"subnets": ("random",), "delay": 0.5}, "subnets must begin with largest where it is alone"),
        ({"warm_up_epochs": 2.5}, r"warm_up_epochs must lie in \[0, 2\], .*got 2.5"),
        ({"delay": 1.1}, r"delay must lie in \[0, 1\], got 1.1"),
        ({"ramp": -0.1}, r"ramp must lie in \[0, 1\], got -0.1"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 0.99\], got 1.0"),
        ({"ramp_start": 0.0}, "ramp_start must lie in"),
        ({"loss": "teachers"}, "loss must be one of .*'in_place'.* got 'teachers'"),
        ({"divergence": "alpha"}, "divergence must be kl where no teacher is listened to, got 'alpha'"),
        ({"ramp": 0.5}, "ramp must be 0 where a step has one subnet, got 0.5"),
        ({"divergence": "js"}, "divergence must be one of .*'alpha'.* got 'js'"),
        ({"law": "linear"}, "law must be one of .*'cosine'.* got 'linear'"),
        ({"bit_sampling": "bits"}, "bit_sampling must be one of .*'hessian'.* got 'bits'"),
    ],
)
def test_a_phase_that_breaks_a_rule_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"phase 'odd': {message}") as caught:
        Phase(**{"name": "odd", "epochs": 2, "learning_rate": 0.1} | changed)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changed", [{"dimensions": ()}, {"groups": 1}, {"batches": 0}, {"dimensions": ("kernel", "resolution")}]
)
def test_a_split_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a split .*, got \["):
        Split(**{"dimensions": ("kernel",)} | changed)


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
        (Phase("p", 1, 0.1, split=Split(("width",))), "has no 'width' to split by; it has resolution, depth, kernel"),
    ],
)
def test_a_phase_for_another_space_is_named(phase: Phase, message: str) -> None:
    with pytest.raises(ValueError, match=f"phase 'p': .*{message}") as caught:
        Schedule((Phase("fits", 1, 0.1, {"kernel": "all"}), phase)).domains(SPACE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("policies", [["w4a8", "w8a8"], ["w32a32", "w4a8", "w8a8"]])
def test_policies_are_trained_from_many_bits_to_few(policies: list[str]) -> None:
    rising = JointSpace(SPACE.architectures, PolicySpace.parse(policies))
    phase = Phase("p", 1, 0.1, {"policy": "all"})
    with pytest.raises(ValueError, match=f"phase 'p': policies .* to the fewest, got {', '.join(policies)}") as caught:
        phase.domain(rising)
    assert "\n" not in str(caught.value)
    falling = JointSpace(
        SPACE.architectures, PolicySpace.parse(sorted(policies, key=lambda name: -int(name[1:].partition("a")[0])))
    )
    for opened, space in ((phase.open, falling), ({}, rising), ({"policy": ["w8a8"]}, rising)):
        assert Phase("p", 1, 0.1, opened).domain(space)


def test_equal_bits_of_weights_may_follow_each_other() -> None:
    space = JointSpace(SPACE.architectures, PolicySpace.parse(["w8a8", "w8a4", "w4a8"]))
    assert Phase("p", 1, 0.1, {"policy": "all"}).domain(space).open == tuple(
        (len(gene.values) - 1,) if not gene.is_policy else (0, 1, 2) for gene in space.genes
    )
