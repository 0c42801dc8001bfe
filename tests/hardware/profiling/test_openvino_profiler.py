"""OpenVINO runs the workloads of onnxruntime; which of them in integers is what its device says."""

from __future__ import annotations

import importlib.util
import math

import pytest

from hardware.building.build_table import measure_missing
from hardware.device import ONNXRUNTIME_CPU, OPENVINO_CPU
from hardware.profiling.openvino_profiler import OpenVinoProfiler
from hardware.profiling.stopwatch import Stopwatch
from hardware.tables.latency_table import LatencyTable
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

installed = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is an extra")
QUICK = Stopwatch(rounds=(2, 2), turn_s=0.0, runs=2, warmup=0)


@installed
def test_a_table_of_openvino_is_made_and_calibrated() -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(["w32a32", "w4a8", "w8a8"]))
    runner = OpenVinoProfiler(OPENVINO_CPU, QUICK)
    layers, policies = space.list_distinct_layers()[:3], space.policies.all_policies
    table = measure_missing(LatencyTable(OPENVINO_CPU), layers, policies, runner, lambda *_: None, None)
    assert {str(policy) for ((_, policy),) in table.entries} == {"w32a32", "w7a8", "w8a8"}
    assert all(math.isfinite(entry.values["latency_ms"]) for entry in table.entries.values())
    assert table.fingerprint["openvino"]


def test_what_it_cannot_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="runtime 'openvino', got 'onnxruntime'"):
        OpenVinoProfiler(ONNXRUNTIME_CPU)
    monkeypatch.setattr("hardware.profiling.openvino_model.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"'openvino_cpu' needs OpenVINO; .* pip install .*\[openvino\]"):
        OpenVinoProfiler(OPENVINO_CPU)
