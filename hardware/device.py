"""Devices: in which numeric formats a processor and its runtime execute the layers of a network.

Independent of shapes, latencies and networks.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from hardware.usable_cpus import count_usable_threads, describe_cpus, read_usable_cpus
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.registry import Registry

_CPU_INFO = Path("/proc/cpuinfo")
_BOARD = Path("/proc/device-tree/model")  # the model of a single-board computer, whose cpuinfo has no model name
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
USABLE_CPUS = "usable_cpus"  # the property of a machine that says how many CPUs a process may use; older ones lack it
_CPU_FLAGS = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")  # speed up int8
_ONNX_RUNTIMES = ("onnxruntime", "openvino")


@dataclass(frozen=True, slots=True)
class Precision:
    """A numeric format that a device computes in.

    Attributes:
        weight_bits: Bit-widths of the weights that it executes, ascending. The device computes with the last of them;
            narrower weights are only stored in fewer bits.
        activation_bits: Bit-width of the activations that it executes.

    Raises:
        ValueError: If there are no weight bit-widths, or they do not ascend.
    """

    weight_bits: tuple[int, ...]
    activation_bits: int

    def __post_init__(self) -> None:
        if not self.weight_bits or list(self.weight_bits) != sorted(self.weight_bits):
            raise ValueError(f"a precision needs one or more weight bit-widths, ascending, got {self.weight_bits}")

    @property
    def policy(self) -> LayerPolicy:
        """The policy with the bits in which the device computes; it stands for all policies executed in it."""
        return LayerPolicy.quantized(self.weight_bits[-1], self.activation_bits)

    def executes(self, policy: LayerPolicy) -> bool:
        """Whether a layer under this policy is executed in this precision, which has no steps for groups of inputs."""
        if policy.group_size is not None:
            return False
        return policy.weight_bits in self.weight_bits and policy.activation_bits == self.activation_bits

    def __str__(self) -> str:
        ends = dict.fromkeys((self.weight_bits[0], self.weight_bits[-1]))
        return " to ".join(f"w{bits}a{self.activation_bits}" for bits in ends)


FP32 = Precision((FULL_PRECISION_BITS,), FULL_PRECISION_BITS)
# Weights of fewer than 8 bits save memory, and time where kernels of x86 processors without VNNI saturate at codes of 8
# bits: files store these unsigned (see `nas.export.runtime_form`), and the runtimes take slower kernels for them.
INT7 = Precision((2, 3, 4, 5, 6, 7), 8)
INT8 = Precision((8,), 8)


@dataclass(frozen=True, slots=True)
class Device:
    """A processor together with the runtime and the settings under which networks run on it.

    Attributes:
        name: Name of the device in tables and messages.
        runtime: Name of the software that runs the networks.
        threads: Number of compute threads.
        batch: Number of inputs per inference.
        precisions: The precisions that it computes in, in order of preference.
        processor: `"cuda"` if the runtime uses a GPU.

    Raises:
        ValueError: If threads or batch are below 1.
    """

    name: str
    runtime: str
    threads: int = 1
    batch: int = 1
    precisions: tuple[Precision, ...] = (FP32,)
    processor: Literal["cpu", "cuda"] = "cpu"

    def __post_init__(self) -> None:
        if self.threads < 1 or self.batch < 1:
            raise ValueError(f"a device needs threads and batch of 1 or more, got {self.threads} and {self.batch}")

    @property
    def runs_onnx(self) -> bool:
        """Whether its runtime loads ONNX files, so that exported networks can be timed on it."""
        return self.runtime in _ONNX_RUNTIMES

    def executed_as(self, policy: LayerPolicy) -> LayerPolicy:
        """The policy of the first precision in which the device executes a layer under `policy`.

        For w4a8, for instance, it is w7a8 where 4 bits save memory but no time. Equal layers take equally long under
        all policies for which it is the same. Zeros save no time; the factors of a layer of low rank are layers of
        their own (`search_spaces.compressed_layer`), each of which is executed in this precision.

        Raises:
            ValueError: If the device has no precision for the policy.
        """
        for precision in self.precisions:
            if precision.executes(policy):
                return precision.policy
        known = " and ".join(map(str, self.precisions))
        raise ValueError(f"device {self.name!r} runs no layer at {policy}; it runs {known}")


ONNXRUNTIME_CPU = Device("onnxruntime_cpu", "onnxruntime", precisions=(FP32, INT7, INT8))
ONNXRUNTIME_CUDA = Device("onnxruntime_cuda", "onnxruntime", processor="cuda")
OPENVINO_CPU = Device("openvino_cpu", "openvino", precisions=(FP32, INT7, INT8))
TORCH_CPU = Device("torch_cpu", "torch")
TORCH_CUDA = Device("torch_cuda", "torch", processor="cuda")

# The processors of the machine at hand. A job may set other numbers of threads and of inputs than 1.
DEVICES: Registry[Device] = Registry(
    "device",
    {device.name: device for device in (ONNXRUNTIME_CPU, ONNXRUNTIME_CUDA, OPENVINO_CPU, TORCH_CPU, TORCH_CUDA)},
    lambda entry: isinstance(entry, Device),
)


def get_device(name: str) -> Device:
    """The registered device of a name.

    Raises:
        ValueError: If the name is unknown.
    """
    return DEVICES[name]


def read_fingerprint() -> dict[str, str]:
    """The properties of this machine on which latencies depend, by name, such as its processor and runtime version."""
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
        USABLE_CPUS: describe_cpus(read_usable_cpus()),
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": runtime,
    }


def check_threads(threads: int, fingerprint: Mapping[str, str]) -> None:
    """Refuses more threads than can compute at the same time, as their timings would be those of waiting.

    Args:
        threads: Number of compute threads.
        fingerprint: Of the machine that is to run them. One that does not say how many CPUs are usable is taken as it
            is.

    Raises:
        ValueError: If they are more than its usable CPUs, rounded down, and more than 1.
    """
    usable = fingerprint.get(USABLE_CPUS)
    if usable is not None and not threads <= count_usable_threads(float(usable)):
        raise ValueError(
            f"device.threads is {threads}, but {usable} of the {fingerprint.get('logical_cores', '?')} CPUs are usable "
            f"(affinity, cgroup quota); take {count_usable_threads(float(usable))} or fewer, or lend the process more"
        )


def describe_changes(was: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The properties in which two fingerprints differ, as text.

    Args:
        was: The one of before.
        now: The one of now.
    """
    names = dict.fromkeys((*now, *was))
    return ", ".join(
        f"{name} was {was.get(name)!r}, is {now.get(name)!r}" for name in names if was.get(name) != now.get(name)
    )


def read_gpu_fingerprint() -> dict[str, str]:
    """Name and driver version of this machine's first GPU; `unknown` if nvidia-smi reports none."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {"gpu": "unknown"}
    return {"gpu": found.splitlines()[0].strip() if found.strip() else "unknown"}


def _text(file: Path) -> str:
    """The text of a file of the kernel; empty if there is no such file."""
    return file.read_text().strip("\0\n ") if file.exists() else ""
