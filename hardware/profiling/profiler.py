"""Profilers: how long workloads take, and which operators a runtime makes of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hardware.device import Device, read_fingerprint, read_gpu_fingerprint
from hardware.profiling.onnx_workload import build_onnx, draw_inputs
from hardware.profiling.stopwatch import Stopwatch, Timing
from hardware.profiling.workload import OnnxNetwork, Workload

if TYPE_CHECKING:
    import onnxruntime

# of inputs; others are floats
_KINDS: Mapping[str, type[np.generic]] = {"tensor(int64)": np.int64, "tensor(uint8)": np.uint8}
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# By type of operator: the number of operators that run, and the number of elements of their first outputs.
OperatorCounts = Mapping[str, tuple[int, float]]


class Profiler(Protocol):
    """Runs workloads on one device of one machine, here or elsewhere."""

    def time(self, workloads: Sequence[Workload]) -> list[Timing]:
        """Times workloads in turns, so that a slow phase of the machine hits all of them alike."""

    def count_operators(self, workloads: Sequence[Workload]) -> list[OperatorCounts]:
        """Counts the operators that the runtime runs for each workload, after all its optimisations."""

    def fingerprint(self) -> dict[str, str]:
        """What decides latencies on the machine, such as its processor and the version of its runtime."""


class OnnxRuntimeProfiler:
    """Runs workloads in onnxruntime on this machine, on the processor and the threads of a device, fully optimised.

    Args:
        device: A device of the runtime `onnxruntime`.
        stopwatch: Times the workloads; None for one with default settings.

    Raises:
        ValueError: If the device has another runtime, or needs a GPU that onnxruntime cannot use.
    """

    def __init__(self, device: Device, stopwatch: Stopwatch | None = None) -> None:
        if device.runtime != "onnxruntime":
            raise ValueError(f"OnnxRuntimeProfiler times devices of runtime 'onnxruntime', got {device.runtime!r}")
        if device.processor == "cuda" and _PROVIDERS["cuda"] not in _available():
            raise ValueError(f"device {device.name!r} needs a CUDA device and the package onnxruntime-gpu")
        self.device = device
        self.stopwatch = stopwatch or Stopwatch()

    def time(self, workloads: Sequence[Workload]) -> list[Timing]:
        """Times workloads in turns; all their sessions are open at once."""
        return self.stopwatch.time([_runner(build_onnx(one, self.device.batch), self.device) for one in workloads])

    def count_operators(self, workloads: Sequence[Workload]) -> list[OperatorCounts]:
        """Counts the operators of each workload in the profile that onnxruntime writes of one run."""
        return [_count_operators(build_onnx(one, self.device.batch), self.device) for one in workloads]

    def fingerprint(self) -> dict[str, str]:
        """The fingerprint of this machine."""
        return {**read_fingerprint(), **(read_gpu_fingerprint() if self.device.processor == "cuda" else {})}


def _runner(network: OnnxNetwork, device: Device) -> Callable[[], None]:
    """A function that runs the network once, on a bound random input."""
    import onnxruntime as ort

    providers = [_PROVIDERS[device.processor]]
    session = ort.InferenceSession(network.onnx, _options(device.threads), providers=providers)
    (argument,) = session.get_inputs()
    values = draw_inputs(_kind(argument), network.input_shape)
    binding = session.io_binding()
    binding.bind_ortvalue_input(argument.name, ort.OrtValue.ortvalue_from_numpy(values, device.processor, 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, device.processor)
    return lambda: session.run_with_iobinding(binding)


def _count_operators(network: OnnxNetwork, device: Device) -> OperatorCounts:
    """Counts the operators in the profile of one run; only events of a kernel are operators."""
    import onnxruntime as ort

    with TemporaryDirectory() as folder:
        options = _options(device.threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "run")
        session = ort.InferenceSession(network.onnx, options, providers=[_PROVIDERS[device.processor]])
        (argument,) = session.get_inputs()
        session.run(None, {argument.name: draw_inputs(_kind(argument), network.input_shape)})
        events = json.loads(Path(session.end_profiling()).read_text())
    counts: dict[str, int] = defaultdict(int)
    elements: dict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            operator, outputs = event["args"]["op_name"], event["args"]["output_type_shape"]
            counts[operator] += 1
            elements[operator] += sum(prod(shape) for output in outputs[:1] for shape in output.values())
    return {operator: (count, elements[operator]) for operator, count in counts.items()}


def _kind(argument: onnxruntime.NodeArg) -> type[np.generic]:
    """The type of the numbers of an input."""
    return _KINDS.get(argument.type, np.float32)


def _available() -> list[str]:
    import onnxruntime as ort

    return list(ort.get_available_providers())


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
