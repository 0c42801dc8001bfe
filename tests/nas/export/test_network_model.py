"""A runtime makes of an exported network what it makes of its model with random weights, operator by operator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hardware.building.calibrate_table import build_random_network
from hardware.device import ONNXRUNTIME_CPU
from hardware.profiling.profiler import OnnxRuntimeProfiler, OperatorCounts
from hardware.profiling.workload import OnnxNetwork
from nas.compression.compress import apply_policy, calibrate
from nas.export.onnx_model import to_onnx
from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import SPACES, create_space


@pytest.mark.parametrize("name", SPACES)
def test_same_operators(name: str) -> None:
    space = JointSpace(create_space(name, 3, 10), PolicySpace((LayerPolicy(), LayerPolicy.quantized(8, 8))))
    genes = space.sample(np.random.default_rng(1), 1).genes
    if name == "mobilenet_v3_imagenet":  # dear to export when it is deep; its family has deep ones in other spaces
        genes[:, : len(space.architectures.cardinalities)] = 0
    candidate = space.population(genes)[0]
    architecture = candidate.architecture
    shape = (3, architecture.resolution, architecture.resolution)
    plain = build_supernet(space.architectures, 0).eval().extract(architecture)
    network = apply_policy(plain, space.architectures.layers(architecture), candidate.policy)
    calibrate(network, [torch.rand(8, *shape, generator=torch.Generator().manual_seed(0))])
    model = build_random_network(space, candidate, ONNXRUNTIME_CPU)
    both = [OnnxNetwork(to_onnx(network, shape), (1, *shape)), model]
    exported, modelled = OnnxRuntimeProfiler(ONNXRUNTIME_CPU).count_operators(both)
    assert {"Conv", "QLinearConv"} <= {*exported}
    assert _flattened(modelled) == _flattened(exported)


def _flattened(operators: OperatorCounts) -> OperatorCounts:
    """Reshape and Flatten do the same before a linear layer."""
    return {"Flatten" if name == "Reshape" else name: ran for name, ran in operators.items()}
