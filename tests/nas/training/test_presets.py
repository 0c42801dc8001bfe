"""Every ready-made schedule fits every ready-made space, at any length."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nas.training.presets import PRESETS, preset
from search_spaces.elastic.registry import FAMILIES
from search_spaces.joint_space import JointSpace, PolicySpace
from search_spaces.registry import SPACES, search_space
from search_spaces.subspace import Subspace

SPACE_NAMES = [name for name in SPACES if type(search_space(name, 3, 10)) in FAMILIES]


def joint(name: str) -> JointSpace:
    return JointSpace(search_space(name, 3, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))


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


def test_unknown_schedules_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown schedule 'bignas'; known schedules: ofa, sandwich, deps"):
        preset("bignas", 1, 0.1, joint("resnet_digits"))
