"""A table is calibrated on networks of its space: here by a profiler that knows what they should take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hardware.building.calibrate_table import build_random_network, calibrate_table, count_calibration_steps
from hardware.calibration.calibration import Calibration
from hardware.device import FP32, INT8, ONNXRUNTIME_CPU
from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.stopwatch import Timing
from hardware.profiling.workload import RandomNetwork, Workload
from hardware.tables.entry import LATENCY, Entry
from hardware.tables.latency_table import LatencyTable
from hardware.tables.pricing import tabulate_prices
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace((LayerPolicy(), LayerPolicy.quantized(8, 8))))
LAYER_MS, OPERATOR_MS, INT8_SLOPE = 0.1, 0.02, 1.3


class OperatorProfiler(OnnxRuntimeProfiler):
    """Says that every operator takes a time of its own, and int8 layers more than their entry.

    The reference workload takes 1 ms. It is twice as slow from its second call on.
    """

    slowness = 1.0

    def time(self, workloads: Sequence[Workload]) -> list[Timing]:
        timings = [Timing(self.slowness * self.latency_ms(workload), 0.0, 1) for workload in workloads]
        self.slowness = 2.0
        return timings

    def latency_ms(self, workload: Workload) -> float:
        if not isinstance(workload, RandomNetwork):
            return 1.0
        (ran,) = self.count_operators([workload])
        int8 = sum(ran[name][0] for name in ran if name in ("QLinearConv", "QGemm"))
        layers = int8 + sum(ran[name][0] for name in ran if name in ("Conv", "Gemm"))
        others = sum(count for count, _ in ran.values()) - layers
        return LAYER_MS * (layers + (INT8_SLOPE - 1) * int8) + OPERATOR_MS * others


def test_tells_networks_that_it_has_not_seen() -> None:
    segments = [((layer, precision.policy),) for layer in SPACE.list_distinct_layers() for precision in (FP32, INT8)]
    factor = ((LayerSpec.linear("", 5, 7), INT8.policy),)  # as of a layer of low rank, which no timed network has
    entries = {segment: Entry({LATENCY: LAYER_MS}) for segment in (*segments, factor)}
    table = LatencyTable(ONNXRUNTIME_CPU, entries, reference_ms=1.0)
    rng, done = np.random.default_rng(0), []
    profiler = OperatorProfiler(ONNXRUNTIME_CPU)
    calibrated = calibrate_table(table, SPACE.sample(rng, 60), rng, profiler, done.append)
    assert done[-1] == count_calibration_steps(60)
    fresh = SPACE.sample(rng, 25)
    truth = [profiler.latency_ms(build_random_network(SPACE, fresh[row], table.device)) for row in range(len(fresh))]
    errors = np.abs(tabulate_prices(SPACE, calibrated)(fresh.genes) / truth - 1)
    assert errors.mean() < 0.03  # a tensor whose use no network of the calibration had is estimated
    assert np.median(errors) < 0.01
    assert tabulate_prices(SPACE, table)(fresh.genes).mean() < 0.8 * np.mean(truth)
    assert tabulate_prices(SPACE, calibrated)(fresh.genes[:0]).shape == (0,)
    assert calibrated.calibration.quality is not None
    assert calibrated.calibration.quality.error_percent < 3.0
    factors = [calibrated.entries[segment].factor for segment in segments if segment[0][1] == INT8.policy]
    assert calibrated.entries[factor].factor == np.median(factors)


def test_a_table_of_whole_networks_is_not_calibrated() -> None:
    table = LatencyTable(ONNXRUNTIME_CPU, constants={LATENCY: 0.5})
    with pytest.raises(ValueError, match="only a table of single layers is calibrated"):
        table.with_calibration(Calibration(), {})
