"""The profiler times real networks; nothing here depends on how fast."""

import math

import pytest

from hardware.device import ONNXRUNTIME_CPU, Device
from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.stopwatch import Stopwatch
from hardware.profiling.workload import ReplicatedLayer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

LAYER = LayerSpec.conv("", Convolution.square(8, 8, 3), 4, activation="relu")


def test_real_measurements() -> None:
    replicas = [ReplicatedLayer(LAYER, policy) for policy in (LayerPolicy(), LayerPolicy.quantized(8, 8))]
    watch = Stopwatch(rounds=(2, 2), turn_s=0.0, runs=5)
    for timing in OnnxRuntimeProfiler(ONNXRUNTIME_CPU, watch).time(replicas):
        assert math.isfinite(timing.latency_ms)
        assert timing.latency_ms > 0
        assert timing.repeats == 10


def test_refuses_what_it_cannot_time() -> None:
    with pytest.raises(ValueError, match="got 'tflite'"):
        OnnxRuntimeProfiler(Device("phone", "tflite"))
