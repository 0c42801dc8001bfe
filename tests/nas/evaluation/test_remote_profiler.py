"""A node of a Ray cluster is profiled as this machine is."""

from __future__ import annotations

import pytest

from hardware.device import ONNXRUNTIME_CPU
from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.workload import OnnxNetwork, ReplicatedLayer
from nas.evaluation.remote_profiler import remote_profiler
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

LAYER = LayerSpec.conv("", Convolution.square(8, 8, 3), 4, activation="relu")


def test_a_node_is_profiled_like_this_machine(ray_cluster: str) -> None:
    device = ONNXRUNTIME_CPU
    local = OnnxRuntimeProfiler(device)
    network = ReplicatedLayer(LAYER, LayerPolicy())
    with remote_profiler(device, ray_cluster, "pi5") as remote:
        assert remote.fingerprint() == local.fingerprint()
        assert remote.count_operators([network]) == local.count_operators([network])
        first, second = remote.time([network, ReplicatedLayer(LAYER, LayerPolicy.quantized(8, 8))])
        with pytest.raises(Exception, match="INVALID_PROTOBUF"):
            remote.count_operators([OnnxNetwork(b"no model", (1, 3))])
    assert first.latency_ms > 0
    assert second.repeats > 0
    with remote_profiler(device, ray_cluster, "pi5") as again:  # the node is free again
        assert again.fingerprint() == local.fingerprint()


def test_a_resource_that_no_node_offers_is_named(ray_cluster: str) -> None:
    with (
        pytest.raises(ValueError, match=r"no node of the Ray cluster offers the resource 'phone', but .*pi5"),
        remote_profiler(ONNXRUNTIME_CPU, ray_cluster, "phone"),
    ):
        pass
