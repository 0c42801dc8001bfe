"""Devices: which kernel of a runtime runs a compressed layer.

In: layer policies. Out: `Device`, the name of the kernel precision that runs a policy, and this machine's fingerprint.
Knows no layer shape, no latency and no network.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from search_spaces.candidate import FULL_PRECISION_BITS, LayerPolicy

_CPU_INFO = Path("/proc/cpuinfo")
_CPU_FLAGS = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")  # those that change the speed of int8


@dataclass(frozen=True, slots=True)
class KernelPrecision:
    """A numeric format that kernels of a device compute in, and the policies that it serves.

    Attributes:
        name: Identifies the format in tables, such as `"int8"`.
        weight_bits: Weight bit-widths that it runs, ascending; narrower ones than the format's own are stored in it.
        activation_bits: Activation bit-width that it runs.
    """

    name: str
    weight_bits: tuple[int, ...]
    activation_bits: int

    def runs(self, policy: LayerPolicy) -> bool:
        """Whether a layer under this policy runs in this format; pruned and factorised layers do not."""
        plain = policy.sparsity == 0.0 and policy.rank is None
        return plain and policy.weight_bits in self.weight_bits and policy.activation_bits == self.activation_bits

    def __str__(self) -> str:
        ends = dict.fromkeys((self.weight_bits[0], self.weight_bits[-1]))
        return " to ".join(f"w{bits}a{self.activation_bits}" for bits in ends)


FP32 = KernelPrecision("fp32", (FULL_PRECISION_BITS,), FULL_PRECISION_BITS)
INT8 = KernelPrecision("int8", (2, 3, 4, 5, 6, 7, 8), 8)  # below 8 bits a weight buys size, not time


@dataclass(frozen=True, slots=True)
class Device:
    """A processor together with the runtime and the settings under which networks run on it.

    Attributes:
        name: Identifies the device in tables and messages.
        runtime: The software that runs the networks.
        threads: Compute threads.
        batch: Inputs per inference.
        precisions: The kernel precisions it has, in order of preference.
    """

    name: str
    runtime: str
    threads: int = 1
    batch: int = 1
    precisions: tuple[KernelPrecision, ...] = (FP32,)

    def __post_init__(self) -> None:
        if self.threads < 1 or self.batch < 1:
            raise ValueError(f"a device needs threads and batch of 1 or more, got {self.threads} and {self.batch}")

    def precision(self, policy: LayerPolicy) -> str:
        """The name of the kernel precision that runs a layer under a policy.

        Raises:
            ValueError: If no kernel runs it.
        """
        for precision in self.precisions:
            if precision.runs(policy):
                return precision.name
        known = " and ".join(str(precision) for precision in self.precisions)
        raise ValueError(f"device {self.name!r} runs no layer at {policy}; it runs {known}")


def onnxruntime_cpu(threads: int = 1) -> Device:
    """This machine's CPU under onnxruntime, one input at a time."""
    return Device("onnxruntime_cpu", "onnxruntime", threads, 1, (FP32, INT8))


DEVICES: dict[str, Callable[[], Device]] = {"onnxruntime_cpu": onnxruntime_cpu}


def device(name: str) -> Device:
    """The registered device of a name.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in DEVICES:
        raise ValueError(f"unknown device {name!r}; known devices are {', '.join(sorted(DEVICES))}")
    return DEVICES[name]()


def fingerprint() -> dict[str, str]:
    """What decides latencies on this machine: processor, int8 instructions, cores, system and runtime version."""
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
        "cpu": fields.get("model name") or platform.processor() or platform.machine(),
        "flags": " ".join(flag for flag in _CPU_FLAGS if flag in flags),
        "logical_cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": runtime,
    }
