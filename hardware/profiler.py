"""Profilers: how long networks take.

In: serialised ONNX networks. Out: `Timing`s. Knows no layer, no policy and no table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hardware.device import Device

_MIN_RUNS = 20


@dataclass(frozen=True, slots=True)
class Timing:
    """A measured latency.

    Attributes:
        median_ms: Median in milliseconds.
        spread: Relative interquartile range of all runs: (q75 - q25) / q50.
        repeats: Number of runs.
    """

    median_ms: float
    spread: float
    repeats: int


@dataclass(frozen=True, slots=True)
class Network:
    """A network that can be timed: serialised ONNX with one input, and the shape of that input."""

    onnx: bytes
    input_shape: tuple[int, ...]


class Profiler(Protocol):
    """Measures latencies on one device."""

    def latency_ms(self, network: bytes, input_shape: tuple[int, ...]) -> Timing:
        """Times one network (serialised ONNX with one input of `input_shape`) on its own."""

    def interleaved(self, networks: Sequence[Network], rounds: int) -> list[Timing]:
        """Times several networks in turns, so that a slow phase of the machine hits all of them alike."""


class OnnxRuntimeProfiler:
    """Times networks in onnxruntime on this machine's CPU, at `device.threads`, with all graph optimisations.

    Other processes only ever add time, so the reported median is that of the fastest round.

    Args:
        device: An onnxruntime device; decides the threads.
        min_time_s: Least time spent on the runs of a network in a round, in seconds; a round has at least 20 runs.
        warmup: Untimed runs of a network at the start of each round.

    Raises:
        ValueError: If the device has another runtime.
    """

    def __init__(self, device: Device, min_time_s: float = 0.02, warmup: int = 3) -> None:
        if device.runtime != "onnxruntime":
            raise ValueError(f"OnnxRuntimeProfiler times devices of runtime 'onnxruntime', got {device.runtime!r}")
        self.device = device
        self.min_time_s = min_time_s
        self.warmup = warmup

    def latency_ms(self, network: bytes, input_shape: tuple[int, ...]) -> Timing:
        """Times one network on its own, in one round."""
        return self.interleaved([Network(network, input_shape)], rounds=1)[0]

    def interleaved(self, networks: Sequence[Network], rounds: int) -> list[Timing]:
        """Times networks in turns, `rounds` times each; all their sessions are open at once.

        Raises:
            ValueError: If `rounds` is below 1.
        """
        if rounds < 1:
            raise ValueError(f"rounds must be 1 or more, got {rounds}")
        runners = [_runner(network, self.device.threads) for network in networks]
        samples = [[self._round(runner) for runner in runners] for _ in range(rounds)]
        return [_timing([samples[turn][index] for turn in range(rounds)]) for index in range(len(networks))]

    def _round(self, run: Callable[[], None]) -> NDArray[np.float64]:
        for _ in range(self.warmup):
            run()
        elapsed_ms: list[float] = []
        start = now = perf_counter_ns()
        while len(elapsed_ms) < _MIN_RUNS or now - start < self.min_time_s * 1e9:
            before = perf_counter_ns()
            run()
            now = perf_counter_ns()
            elapsed_ms.append((now - before) / 1e6)
        return np.array(elapsed_ms)


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


def _timing(rounds: Sequence[NDArray[np.float64]]) -> Timing:
    low, middle, high = np.quantile(np.concatenate(rounds), (0.25, 0.5, 0.75))
    fastest = min(float(np.median(samples)) for samples in rounds)
    return Timing(fastest, float((high - low) / middle), sum(len(samples) for samples in rounds))
