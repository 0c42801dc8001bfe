"""The profiler times real networks; nothing here depends on how fast."""

import math

import pytest

from hardware.device import Device, onnxruntime_cpu
from hardware.layer_model import layer_model
from hardware.profiler import OnnxRuntimeProfiler
from search_spaces.candidate import LayerPolicy
from search_spaces.layers import LayerSpec

LAYER = LayerSpec("", "conv", 8, 8, 3, input_size=4, activation="relu")


@pytest.mark.parametrize("kernel", [LayerPolicy(), LayerPolicy(8, 8)], ids=str)
def test_a_real_measurement(kernel: LayerPolicy) -> None:
    network = layer_model(LAYER, kernel)
    timing = OnnxRuntimeProfiler(onnxruntime_cpu(), min_time_s=0.0).latency_ms(network.onnx, network.input_shape)
    assert math.isfinite(timing.median_ms)
    assert timing.median_ms > 0
    assert timing.spread >= 0
    assert timing.repeats == 20


def test_interleaved_times_every_network_in_every_round() -> None:
    networks = [layer_model(LAYER, kernel) for kernel in (LayerPolicy(), LayerPolicy(8, 8))]
    timings = OnnxRuntimeProfiler(onnxruntime_cpu(), min_time_s=0.0).interleaved(networks, rounds=3)
    assert [timing.repeats for timing in timings] == [60, 60]


def test_refuses_what_it_cannot_time() -> None:
    with pytest.raises(ValueError, match="got 'tflite'"):
        OnnxRuntimeProfiler(Device("phone", "tflite"))
    with pytest.raises(ValueError, match="rounds must be 1 or more"):
        OnnxRuntimeProfiler(onnxruntime_cpu()).interleaved([], rounds=0)
