"""Profilers by the runtime of a device."""

from __future__ import annotations

from collections.abc import Callable

from hardware.device import Device
from hardware.profiling.openvino_profiler import OpenVinoProfiler
from hardware.profiling.profiler import OnnxRuntimeProfiler, Profiler
from search_spaces.registry import Registry


def _torch(device: Device) -> Profiler:
    from nas.evaluation.torch_profiler import TorchProfiler

    return TorchProfiler(device)


PROFILERS: Registry[Callable[[Device], Profiler]] = Registry(
    "runtime", {"onnxruntime": OnnxRuntimeProfiler, "openvino": OpenVinoProfiler, "torch": _torch}
)


def create_profiler(device: Device) -> Profiler:
    """The profiler for a device of this machine.

    Raises:
        ValueError: If no profiler is registered for the device's runtime, or this machine lacks its processor.
    """
    return PROFILERS[device.runtime](device)
