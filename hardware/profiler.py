"""Profilers: how long networks take, and what a runtime makes of them.

In: serialised ONNX networks. Out: `Timing`s and `Operators`. Knows no layer, no policy and no table.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hardware.device import Device, fingerprint
from hardware.stopwatch import Stopwatch, Timing

if TYPE_CHECKING:
    import onnxruntime

Operators = Mapping[str, tuple[int, float]]  # by type: how many run, and on how many elements of their outputs


@dataclass(frozen=True, slots=True)
class Network:
    """A network that can be timed: serialised ONNX with one input, and the shape of that input."""

    onnx: bytes
    input_shape: tuple[int, ...]


class Profiler(Protocol):
    """Runs networks on one device of one machine, here or elsewhere."""

    def interleaved(self, networks: Sequence[Network]) -> list[Timing]:
        """Times networks in turns, so that a slow phase of the machine hits all of them alike."""

    def operators(self, networks: Sequence[Network]) -> list[Operators]:
        """What the runtime runs for each network, after all its optimisations."""

    def fingerprint(self) -> dict[str, str]:
        """What decides latencies on the machine."""


class OnnxRuntimeProfiler:
    """Runs networks in onnxruntime on this machine's CPU, at `device.threads`, with all graph optimisations.

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

    def operators(self, networks: Sequence[Network]) -> list[Operators]:
        """What runs for each network, by onnxruntime's own record of one run."""
        return [_operators(network, self.device.threads) for network in networks]

    def fingerprint(self) -> dict[str, str]:
        """That of this machine."""
        return fingerprint()


def _runner(network: Network, threads: int) -> Callable[[], None]:
    """A function that runs the network once, on a bound random input."""
    import onnxruntime as ort

    session = ort.InferenceSession(network.onnx, _options(threads), providers=["CPUExecutionProvider"])
    (argument,) = session.get_inputs()
    bits = np.random.default_rng(0).integers(0, 256, network.input_shape, dtype=np.uint8)
    values = bits if argument.type == "tensor(uint8)" else (bits / np.float32(64) - 2).astype(np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input(argument.name, ort.OrtValue.ortvalue_from_numpy(values))
    for output in session.get_outputs():
        binding.bind_output(output.name, "cpu")
    return lambda: session.run_with_iobinding(binding)


def _operators(network: Network, threads: int) -> Operators:
    import onnxruntime as ort

    with TemporaryDirectory() as folder:
        options = _options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "run")
        session = ort.InferenceSession(network.onnx, options, providers=["CPUExecutionProvider"])
        (argument,) = session.get_inputs()
        session.run(None, {argument.name: np.zeros(network.input_shape, dtype=np.float32)})
        events = json.loads(Path(session.end_profiling()).read_text())
    counts: dict[str, int] = defaultdict(int)
    elements: dict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            operator, outputs = event["args"]["op_name"], event["args"]["output_type_shape"]
            counts[operator] += 1
            elements[operator] += sum(prod(shape) for output in outputs[:1] for shape in output.values())
    return {operator: (count, elements[operator]) for operator, count in counts.items()}


def _options(threads: int) -> onnxruntime.SessionOptions:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle sessions must not burn the cores
    options.log_severity_level = 3
    return options
