"""Workloads as ONNX networks, and inputs for them: what all profilers of ONNX runtimes share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.profiling.layer_model import build_empty_session, build_layer_model
from hardware.profiling.network_model import build_network_model
from hardware.profiling.workload import OnnxNetwork, RandomNetwork, ReplicatedLayer, Workload


def build_onnx(workload: Workload, batch: int) -> OnnxNetwork:
    """A workload as an ONNX network; one that is a network already has its own batch.

    Args:
        workload: The workload.
        batch: Number of inputs per inference.
    """
    if isinstance(workload, OnnxNetwork):
        return workload
    if isinstance(workload, RandomNetwork):
        return build_network_model(workload, batch)
    if isinstance(workload, ReplicatedLayer):
        return build_layer_model(workload, batch)
    return build_empty_session()


def draw_inputs(kind: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    """Random numbers of a type; indices of rows are 0, as every embedding has row 0.

    Args:
        kind: Type of the numbers: int64 for indices of rows, uint8 for codes, float32 for all else.
        shape: Shape of the input, with the batch axis.
    """
    if kind is np.int64:
        return np.zeros(shape, np.int64)
    codes = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return codes if kind is np.uint8 else (codes / np.float32(64) - 2).astype(np.float32)
