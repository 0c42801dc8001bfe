"""Devices: which kernel of a runtime runs a compressed layer.

In: layer policies. Out: `Device`, and the policy of the kernel that runs each. Knows no shape, latency or network.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.registry import Registry

_CPU_INFO = Path("/proc/cpuinfo")
_BOARD = Path("/proc/device-tree/model")  # of single-board computers, whose processor information has no model name
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_CPU_FLAGS = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")  # those that change the speed of int8


@dataclass(frozen=True, slots=True)
class Kernel:
    """A numeric format that a device computes in.

    Attributes:
        weight_bits: Weight bit-widths that it runs, ascending; the last one is its own, narrower ones are stored in it.
        activation_bits: Activation bit-width that it runs.
    """

    weight_bits: tuple[int, ...]
    activation_bits: int

    def __post_init__(self) -> None:
        if not self.weight_bits or list(self.weight_bits) != sorted(self.weight_bits):
            raise ValueError(f"a kernel needs one or more weight bit-widths, ascending, got {self.weight_bits}")

    @property
    def policy(self) -> LayerPolicy:
        """The policy of its own bits."""
        return LayerPolicy.quantized(self.weight_bits[-1], self.activation_bits)

    def runs(self, policy: LayerPolicy) -> bool:
        """Whether a layer under this policy runs in this format."""
        return policy.weight_bits in self.weight_bits and policy.activation_bits == self.activation_bits

    def __str__(self) -> str:
        ends = dict.fromkeys((self.weight_bits[0], self.weight_bits[-1]))
        return " to ".join(f"w{bits}a{self.activation_bits}" for bits in ends)


FP32 = Kernel((FULL_PRECISION_BITS,), FULL_PRECISION_BITS)
INT8 = Kernel((2, 3, 4, 5, 6, 7, 8), 8)  # below 8 bits a weight buys size, not time


@dataclass(frozen=True, slots=True)
class Device:
    """A processor together with the runtime and the settings under which networks run on it.

    Attributes:
        name: Identifies the device in tables and messages.
        runtime: The software that runs the networks.
        threads: Compute threads.
        batch: Inputs per inference.
        kernels: What it computes in, in order of preference.
        processor: `"cuda"` where the runtime uses a GPU.
    """

    name: str
    runtime: str
    threads: int = 1
    batch: int = 1
    kernels: tuple[Kernel, ...] = (FP32,)
    processor: Literal["cpu", "cuda"] = "cpu"

    def __post_init__(self) -> None:
        if self.threads < 1 or self.batch < 1:
            raise ValueError(f"a device needs threads and batch of 1 or more, got {self.threads} and {self.batch}")

    def kernel(self, policy: LayerPolicy) -> LayerPolicy:
        """The policy whose kernel runs a layer under a policy: all policies that cost the same share one.

        Raises:
            ValueError: If no kernel runs it.
        """
        for kernel in self.kernels:
            if kernel.runs(policy):
                return kernel.policy
        known = " and ".join(str(kernel) for kernel in self.kernels)
        raise ValueError(f"device {self.name!r} runs no layer at {policy}; it runs {known}")


def onnxruntime_cpu(threads: int = 1) -> Device:
    """This machine's CPU under onnxruntime, one input at a time."""
    return Device("onnxruntime_cpu", "onnxruntime", threads, 1, (FP32, INT8))


def onnxruntime_cuda() -> Device:
    """This machine's GPU under onnxruntime, in floating point."""
    return Device("onnxruntime_cuda", "onnxruntime", processor="cuda")


def torch_cpu(threads: int = 1) -> Device:
    """This machine's CPU under torch, in floating point."""
    return Device("torch_cpu", "torch", threads)


def torch_cuda() -> Device:
    """This machine's GPU under torch, in floating point."""
    return Device("torch_cuda", "torch", processor="cuda")


DEVICES: Registry[Callable[[], Device]] = Registry(
    "device",
    {
        "onnxruntime_cpu": onnxruntime_cpu,
        "onnxruntime_cuda": onnxruntime_cuda,
        "torch_cpu": torch_cpu,
        "torch_cuda": torch_cuda,
    },
)


def device(name: str) -> Device:
    """The registered device of a name.

    Raises:
        ValueError: If the name is unknown.
    """
    return DEVICES[name]()


def fingerprint() -> dict[str, str]:
    """What decides latencies on this machine: processor, int8 instructions, clock, cores, system, runtime version."""
    fields: dict[str, str] = {}
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip().lower(), value.strip())
    flags = set((fields.get("flags") or fields.get("features", "")).split())
    try:
        runtime = version("onnxruntime")
    except PackageNotFoundError:
        runtime = "not installed"
    return {
        "cpu": fields.get("model name") or _text(_BOARD) or fields.get("cpu part") or platform.machine(),
        "flags": " ".join(flag for flag in _CPU_FLAGS if flag in flags),
        "governor": _text(_GOVERNOR) or "unknown",
        "logical_cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": runtime,
    }


def gpu_fingerprint() -> dict[str, str]:
    """Name and driver of this machine's first GPU."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {"gpu": "unknown"}
    return {"gpu": found.splitlines()[0].strip() if found.strip() else "unknown"}


def _text(file: Path) -> str:
    return file.read_text().strip("\0\n ") if file.exists() else ""
