"""Analytic devices: what layers would cost on hardware that nobody can measure yet.

In: peak operations, bandwidth and overhead of a device. Out: estimated latency and energy of layers, and a table.
Knows no space and no file. Source: Williams et al., "Roofline", Communications of the ACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

from hardware.device import Device, Kernel
from hardware.tables.latency_table import LATENCY, Entry, LatencyTable, Segment
from search_spaces.compression_policy import FULL_PRECISION_BITS, QUANTIZED_BITS, LayerPolicy
from search_spaces.layer_spec import LayerSpec

_LEAST_BITS = min(QUANTIZED_BITS)


@dataclass(frozen=True)
class Roofline:
    """A device that computes or moves bytes, whichever takes longer, and needs some time to start a layer.

    Attributes:
        name: Of the device.
        peak_gops: Billions of operations per second, a multiply-accumulate being two, by the policy of a kernel. A
            kernel below 32 bits runs narrower weights, too, unless another kernel is nearer.
        bandwidth_gb_s: Billions of bytes per second between memory and kernels.
        overhead_us: Time to start a layer, in microseconds.
        energy_pj: Picojoules per operation by the policy of a kernel; empty where energy is of no interest.
        energy_pj_per_byte: Picojoules per byte that is moved.
    """

    name: str
    peak_gops: Mapping[LayerPolicy, float]
    bandwidth_gb_s: float
    overhead_us: float
    energy_pj: Mapping[LayerPolicy, float] = field(default_factory=dict)
    energy_pj_per_byte: float = 0.0

    def __post_init__(self) -> None:
        for key, rule, kept in (
            ("peak_gops", "have one or more kernels, all above 0", self.peak_gops and min(self.peak_gops.values()) > 0),
            ("bandwidth_gb_s", "be above 0", self.bandwidth_gb_s > 0),
            ("overhead_us", "be 0 or more", self.overhead_us >= 0),
            ("energy_pj", "be above 0 for every kernel", min(self.energy_pj.values(), default=1.0) > 0),
            (
                "energy_pj",
                f"have all kernels ({', '.join(map(str, self.peak_gops))}) or none",
                not self.energy_pj or self.energy_pj.keys() == self.peak_gops.keys(),
            ),
            ("energy_pj_per_byte", "be 0 or more", self.energy_pj_per_byte >= 0),
        ):
            if not kept:
                given = getattr(self, key)
                shown = {str(policy): value for policy, value in given.items()} if isinstance(given, dict) else given
                raise ValueError(f"device {self.name!r}: {key} must {rule}, got {shown}")

    @property
    def device(self) -> Device:
        """The device with its kernels, those of the fewest bits first."""
        kernels, below = [], dict.fromkeys((policy.activation_bits for policy in self.peak_gops), _LEAST_BITS)
        for policy in sorted(self.peak_gops, key=lambda policy: (policy.weight_bits, policy.activation_bits)):
            bits, activations = policy.weight_bits, policy.activation_bits
            least = bits if bits == FULL_PRECISION_BITS else below[activations]
            kernels.append(Kernel(tuple(range(least, bits + 1)), activations))
            below[activations] = bits + 1
        return Device(self.name, "analytic", kernels=tuple(kernels))

    def latency_ms(self, layer: LayerSpec, kernel: LayerPolicy) -> float:
        """Estimated latency of a layer under the policy of a kernel."""
        compute_s = 2 * layer.macs / (self.peak_gops[kernel] * 1e9)
        move_s = _moved_bytes(layer, kernel) / (self.bandwidth_gb_s * 1e9)
        return 1e3 * max(compute_s, move_s) + 1e-3 * self.overhead_us

    def energy_mj(self, layer: LayerSpec, kernel: LayerPolicy) -> float:
        """Estimated energy of a layer under the policy of a kernel."""
        picojoules = 2 * layer.macs * self.energy_pj[kernel] + _moved_bytes(layer, kernel) * self.energy_pj_per_byte
        return 1e-9 * picojoules

    def table(self, layers: Iterable[LayerSpec]) -> LatencyTable:
        """Estimates of all layers under all kernels."""
        device = self.device
        empty = LatencyTable(device, origin="estimated")
        entries: dict[Segment, Entry] = {}
        for segment in empty.missing(layers, [kernel.policy for kernel in device.kernels]):
            ((layer, kernel),) = segment
            costs = {LATENCY: self.latency_ms(layer, kernel)}
            if self.energy_pj:
                costs["energy_mj"] = self.energy_mj(layer, kernel)
            entries[segment] = Entry(costs)
        return LatencyTable(device, entries, "estimated")


def _moved_bytes(layer: LayerSpec, kernel: LayerPolicy) -> float:
    """Weights, input and output, each once."""
    inputs = prod(layer.input_shape)
    return (layer.weights * kernel.weight_bits + (inputs + layer.activations) * kernel.activation_bits) / 8
