"""What a phase does at which progress, and which phases are refused."""

from __future__ import annotations

from typing import Any

import pytest

from nas.training.schedules.phase import FewShotSplit, Phase
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10))


def test_others_join_after_the_delay_and_rise_to_full_weight() -> None:
    phase = Phase("a", 1, 0.1, subnets=("largest", "random"), delay=0.5, ramp=0.2, ramp_start=0.01)
    assert [phase.others_weight_at(position) for position in (0.0, 0.499)] == [0.0, 0.0]
    assert phase.others_weight_at(0.5) == pytest.approx(0.01)
    assert phase.others_weight_at(0.55) == pytest.approx(0.1)  # half of the ramp: 0.01 ** (1 - 1/2)
    assert phase.others_weight_at(0.6) == pytest.approx(1.0)
    assert phase.others_weight_at(0.99) == 1.0
    assert Phase("a", 1, 0.1, delay=0.5).others_weight_at(0.5) == 1.0
    assert Phase("a", 1, 0.1, delay=1.0).others_weight_at(0.999) == 0.0


def test_learning_rates_fall_or_stay() -> None:
    assert [Phase("a", 1, 0.4).learning_rate_at(p) for p in (0.0, 0.5)] == pytest.approx([0.4, 0.2])
    assert Phase("a", 1, 0.4, decay="constant").learning_rate_at(0.9) == 0.4


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
        ({"divergence": "alpha"}, "divergence must be kl where the loss is labels, got 'alpha'"),
        ({"ramp": 0.5}, "ramp must be 0 where a step has one subnet, got 0.5"),
        ({"divergence": "js"}, "divergence must be one of .*'alpha'.* got 'js'"),
        ({"decay": "linear"}, "decay must be one of .*'cosine'.* got 'linear'"),
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
        FewShotSplit(**{"dimensions": ("kernel",)} | changed)


@pytest.mark.parametrize("policies", [["w4a8", "w8a8"], ["w32a32", "w4a8", "w8a8"]])
def test_policies_are_trained_from_many_bits_to_few(policies: list[str]) -> None:
    rising = JointSpace(SPACE.architectures, PolicySpace.parse(policies))
    phase = Phase("p", 1, 0.1, {"policy": "all"})
    with pytest.raises(ValueError, match=f"phase 'p': policies .* to the fewest, got {', '.join(policies)}") as caught:
        phase.open_subspace(rising)
    assert "\n" not in str(caught.value)
    falling = JointSpace(
        SPACE.architectures, PolicySpace.parse(sorted(policies, key=lambda name: -int(name[1:].partition("a")[0])))
    )
    for opened, space in ((phase.open, falling), ({}, rising), ({"policy": ["w8a8"]}, rising)):
        assert Phase("p", 1, 0.1, opened).open_subspace(space)


def test_equal_bits_of_weights_may_follow_each_other() -> None:
    space = JointSpace(SPACE.architectures, PolicySpace.parse(["w8a8", "w8a4", "w4a8"]))
    assert Phase("p", 1, 0.1, {"policy": "all"}).open_subspace(space).open == tuple(
        (len(gene.values) - 1,) if not gene.is_policy else (0, 1, 2) for gene in space.genes
    )
