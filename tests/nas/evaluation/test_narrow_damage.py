"""The damage of narrow networks is that of their outputs, in the unit of a metric that compares outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nas.compression.repair.repair import output_distance
from nas.compression.tracing.trace import trace
from nas.compression.tracing.traced_file import save_traced
from nas.data.sources import DataSource
from nas.evaluation.damage import DAMAGE, DamageMeasurement
from nas.evaluation.measurement import ImageMeasurement
from nas.evaluation.narrow_damage import need_degradation
from nas.tasks.registry import TASKS
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace


def test_it_is_measured_on_the_outputs_of_the_candidate(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)).eval()
    traced = trace(net, [torch.zeros(2, 1, 8, 8)])
    save_traced(tmp_path / "net.safetensors", traced)
    given = ImageMeasurement(
        tmp_path / "net.safetensors", traced.space("small", ((4, 8),)), DataSource("digits", limit=200)
    )
    data = given.data.load()
    realizer, space = given.realizer(data), JointSpace(given.space, PolicySpace.parse(["w32a32", "w4a8"]))
    inputs = realizer.calibration_data(512).inputs
    measure = DamageMeasurement(given, "output_divergence", 512)()
    for candidate in space.population(np.array([[0, 0, 0], [0, 1, 1]])).candidates:
        with torch.no_grad():
            outputs = [one(inputs).double() for one in (traced.network(), realizer.realize(candidate))]
        found = measure(candidate, 1.0)[DAMAGE]
        assert found == pytest.approx(float(output_distance(*outputs, data.task)), rel=1e-3)
        assert found > 0


def test_a_metric_with_a_unit_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="'fisher' is in a unit of its own; take output_distortion"):
        need_degradation("fisher", TASKS["classification"])
