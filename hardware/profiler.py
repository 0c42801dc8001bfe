"""Profilers: how long networks take.

In: serialised ONNX networks. Out: `Timing`s. Knows no layer, no policy and no table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hardware.device import Device
from hardware.stopwatch import Stopwatch, Timing


@dataclass(frozen=True, slots=True)
class Network:
    """A network that can be timed: serialised ONNX with one input, and the shape of that input."""

    onnx: bytes
    input_shape: tuple[int, ...]


class Profiler(Protocol):
    """Measures latencies on one device."""

    def interleaved(self, networks: Sequence[Network]) -> list[Timing]:
        """Times networks in turns, so that a slow phase of the machine hits all of them alike."""


class OnnxRuntimeProfiler:
    """Times networks in onnxruntime on this machine's CPU, at `device.threads`, with all graph optimisations.

    Args:
        device: An onnxruntime device; decides the threads.
        stopwatch: Decides when to stop.

    Raises:
        ValueError: If the device has another runtime.
    """

    def __init__(self, device: Device, stopwatch: Stopwatch | None = None) -> None:
        if device.runtime != "onnxruntime":
            raise ValueError(f"OnnxRuntimeProfiler times devices of runtime 'onnxruntime', got {device.runtime!r}")
        self.device = device
        self.stopwatch = stopwatch or Stopwatch()

    def interleaved(self, networks: Sequence[Network]) -> list[Timing]:
        """Times networks in turns; all their sessions are open at once."""
        return self.stopwatch.time([_runner(network, self.device.threads) for network in networks])


def _runner(network: Network, threads: int) -> Callable[[], None]:
    """A function that runs the network once, on a bound random input."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle sessions must not burn the cores
    options.log_severity_level = 3
    session = ort.InferenceSession(network.onnx, options, providers=["CPUExecutionProvider"])
    (argument,) = session.get_inputs()
    bits = np.random.default_rng(0).integers(0, 256, network.input_shape, dtype=np.uint8)
    values = bits if argument.type == "tensor(uint8)" else (bits / np.float32(64) - 2).astype(np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input(argument.name, ort.OrtValue.ortvalue_from_numpy(values))
    for output in session.get_outputs():
        binding.bind_output(output.name, "cpu")
    return lambda: session.run_with_iobinding(binding)
