"""The profiler of a device, here or on a node of a Ray cluster.

In: a device. Out: a `Profiler`. Knows no table.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware.device import Device
from hardware.profiler import OnnxRuntimeProfiler, Profiler


def _torch(device: Device) -> Profiler:
    from nas.evaluation.torch_profiler import TorchProfiler

    return TorchProfiler(device)


PROFILERS: dict[str, Callable[[Device], Profiler]] = {"onnxruntime": OnnxRuntimeProfiler, "torch": _torch}


def profiler(device: Device) -> Profiler:
    """The profiler of a device of this machine.

    Raises:
        ValueError: If this machine has no profiler for its runtime, or lacks its processor.
    """
    if device.runtime not in PROFILERS:
        raise ValueError(
            f"nothing here runs {device.runtime!r}, the runtime of {device.name!r}; known are {', '.join(PROFILERS)}"
        )
    return PROFILERS[device.runtime](device)
