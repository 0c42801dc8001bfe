"""Which networks of a front are exported."""

from __future__ import annotations

import numpy as np
import pytest

from nas.jobs.stages.export import choose
from nas.jobs.stages.front import VerifiedFront
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space


def front(accuracy: list[float], latency_ms: list[float], weight_bytes: list[float], best: list[bool]) -> VerifiedFront:
    space = JointSpace(create_space("resnet20_cifar", 3, 10))
    return VerifiedFront(
        device="none",
        latency_error_percent=None,
        search_run="search",
        run="verify",
        population=space.sample(np.random.default_rng(0), len(best)),
        predicted_accuracy=np.array(accuracy),
        measured_accuracy=np.array(accuracy)[::-1],
        expected_accuracy=np.array(accuracy),
        accuracy_std=np.ones(len(best)),
        latency_ms=np.array(latency_ms),
        weight_bytes=np.array(weight_bytes),
        others={},
        best=np.array(best),
    )


def test_each_role_goes_to_its_network_by_expected_accuracy() -> None:
    found = front([99, 90, 95, 80, 99.5], [9.0, 1.0, 3.0, 5.0, 0.1], [90, 60, 30, 5, 1], [True] * 4 + [False])
    assert choose(found, 4) == {"most accurate": 0, "balanced": 2, "fastest": 1, "smallest": 3}


@pytest.mark.parametrize(("count", "roles"), [(1, ["most accurate"]), (3, ["most accurate", "front 1"])])
def test_no_network_is_chosen_twice(count: int, roles: list[str]) -> None:
    found = front([99, 90], [1.0, 2.0], [5, 5], [True, True])  # the first is best in everything but kept as a tie
    assert list(choose(found, count)) == roles
