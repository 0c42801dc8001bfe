"""OpenVINO computes what onnxruntime does without optimisation; which layers in integers is what its device says."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest

from hardware.building.calibrate_table import build_random_network
from hardware.device import OPENVINO_CPU
from hardware.profiling.onnx_workload import build_onnx, draw_inputs
from hardware.profiling.openvino_model import compile_openvino, count_integer_layers, count_nodes, run_openvino
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

installed = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is an extra")


@installed
@pytest.mark.parametrize(("policy", "integers"), [("w32a32", False), ("w7a8", True), ("w8a8", False)])
def test_narrow_weights_run_in_integers_and_compute_the_same(policy: str, integers: bool) -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10))
    candidate = space.smallest()
    policies = CompressionPolicy((LayerPolicy.parse(policy),) * len(candidate.policy.layers))
    network = build_onnx(build_random_network(space, replace(candidate, policy=policies), OPENVINO_CPU), 2)
    model = compile_openvino(network.onnx, network.input_shape)
    found, count = count_integer_layers(model)
    assert (found, count) == (count if integers else 0, len(candidate.policy.layers))
    assert any(name.startswith("Convolution") for name in count_nodes(model))
    assert not any(name.startswith("Const") for name in count_nodes(model))
    inputs = draw_inputs(np.float32, network.input_shape)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    (expected,) = ort.InferenceSession(network.onnx, options).run(None, {"images": inputs})
    np.testing.assert_allclose(run_openvino(model, inputs), expected, rtol=1e-4, atol=1e-4)
    assert np.ptp(expected) > 0.1


@installed
def test_nobody_is_told_of_it() -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10))
    compile_openvino(build_onnx(build_random_network(space, space.smallest(), OPENVINO_CPU), 1).onnx)
    assert sys.modules["openvino_telemetry"] is None  # its thread would keep a program that was interrupted alive
