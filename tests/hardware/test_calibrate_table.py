"""A table is calibrated on networks of its space: here by a profiler that knows what they should take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hardware.calibrate_table import calibrate_table, networks_to_calibrate
from hardware.device import FP32, INT8, onnxruntime_cpu
from hardware.latency_table import LATENCY, Entry, LatencyTable
from hardware.pricing import network_costs
from hardware.profiler import OnnxRuntimeProfiler
from hardware.stopwatch import Timing
from hardware.workload import RandomNetwork, Workload
from search_spaces.candidate import LayerPolicy
from search_spaces.joint_space import JointSpace, PolicySpace
from search_spaces.registry import search_space

SPACE = JointSpace(search_space("resnet_digits", 1, 10), PolicySpace((LayerPolicy(), LayerPolicy(8, 8))))
LAYER_MS, OPERATOR_MS = 0.1, 0.02


class OperatorProfiler(OnnxRuntimeProfiler):
    """Says that every operator takes a time of its own, and the yardstick 1 ms."""

    def interleaved(self, workloads: Sequence[Workload]) -> list[Timing]:
        return [Timing(self._latency_ms(workload), 0.0, 1) for workload in workloads]

    def _latency_ms(self, workload: Workload) -> float:
        if not isinstance(workload, RandomNetwork):
            return 1.0
        (ran,) = self.operators([workload])
        layers = sum(ran[name][0] for name in ran if "Conv" in name or "Gemm" in name)
        return LAYER_MS * layers + OPERATOR_MS * (sum(count for count, _ in ran.values()) - layers)


def test_tells_networks_that_it_has_not_seen() -> None:
    entries = {
        ((layer, kernel.policy),): Entry({LATENCY: LAYER_MS})
        for layer in SPACE.layer_shapes()
        for kernel in (FP32, INT8)
    }
    table = LatencyTable(onnxruntime_cpu(), entries, yardstick_ms=1.0)
    rng, done = np.random.default_rng(0), []
    calibrated = calibrate_table(
        SPACE, table, SPACE.sample(rng, 60), rng, OperatorProfiler(onnxruntime_cpu()), done.append
    )
    assert done[-1] == networks_to_calibrate(60)
    assert calibrated.calibration.quality is not None
    assert calibrated.calibration.quality.error_percent < 2.0
    assert calibrated.calibration.slopes == pytest.approx({"w32a32": 1.0, "w8a8": 1.0}, abs=0.15)
    layers_alone = network_costs(SPACE, table)(SPACE.sample(rng, 50).genes)
    with_conversions = network_costs(SPACE, calibrated)(SPACE.sample(rng, 50).genes)
    assert with_conversions.mean() > 1.2 * layers_alone.mean()
