"""Torch runs the same workloads as onnxruntime, node by node."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hardware.building.build_table import measure_missing
from hardware.building.calibrate_table import build_random_network, calibrate_table
from hardware.device import ONNXRUNTIME_CPU, TORCH_CPU
from hardware.profiling.stopwatch import Stopwatch
from hardware.profiling.workload import EmptySession, OnnxNetwork, ReplicatedLayer
from hardware.tables.latency_table import LatencyTable
from nas.evaluation.torch_profiler import TorchProfiler
from search_spaces.compression_policy import LayerPolicy
from search_spaces.dataflow import Slot
from search_spaces.joint_space import JointSpace
from search_spaces.presets import SPACES, create_space

QUICK = Stopwatch(rounds=(2, 2), turn_s=0.0, runs=2, warmup=0)


@pytest.mark.parametrize("name", SPACES)
def test_the_joins_of_a_network_run_once_each(name: str) -> None:
    space = JointSpace(create_space(name, 3, 10))
    network = build_random_network(space, space.smallest(), TORCH_CPU)
    (operators,) = TorchProfiler(TORCH_CPU, QUICK).count_operators([network])
    expected = Counter(node.operator.name for node in network.nodes if not isinstance(node.operator, Slot))
    assert {name: count for name, (count, _) in operators.items()} == expected


def test_a_table_of_torch_is_made_and_calibrated() -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10))
    runner = TorchProfiler(TORCH_CPU, QUICK)
    threads = torch.get_num_threads()
    policies = space.policies.policies
    table = measure_missing(
        LatencyTable(TORCH_CPU), space.list_distinct_layers(), policies, runner, lambda *_: None, None
    )
    assert table.missing(space.list_distinct_layers(), policies) == []
    assert table.fingerprint["torch"] == torch.__version__
    rng = np.random.default_rng(0)
    table = calibrate_table(table, space.sample(rng, 6), rng, runner, lambda _: None)
    assert table.calibration.quality is not None
    assert torch.get_num_threads() == threads


def test_what_is_timed_is_the_work_of_all_copies() -> None:
    layers = [
        layer
        for layer in JointSpace(create_space("resnet_cifar", 3, 10)).list_distinct_layers()
        if len(layer.input_shape) == 3
    ]
    replicas = ReplicatedLayer(max(layers, key=lambda layer: layer.macs), LayerPolicy())
    runner = TorchProfiler(TORCH_CPU, Stopwatch(rounds=(1, 1), turn_s=0.0, runs=1, warmup=0))
    for workload, macs in ((EmptySession(), 0), (replicas, replicas.count * replicas.layer.macs)):
        with FlopCounterMode(display=False) as counter:
            (timing,) = runner.time([workload])
        assert counter.get_total_flops() == timing.repeats * 2 * macs


def test_what_is_not_here_is_refused() -> None:
    with pytest.raises(ValueError, match="'torch_cpu' runs no ONNX files"):
        TorchProfiler(TORCH_CPU, QUICK).time([OnnxNetwork(b"", (1,))])
    with pytest.raises(ValueError, match="runtime 'torch', got 'onnxruntime'"):
        TorchProfiler(ONNXRUNTIME_CPU)
