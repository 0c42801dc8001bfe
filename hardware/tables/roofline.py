"""Analytic devices: estimated costs of layers on hardware that cannot be measured.

Latency and energy are estimated from the peak operations, the bandwidth and the overhead of a device.
Source: Williams et al., "Roofline", Communications of the ACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

from hardware.device import Device, Precision
from hardware.tables.entry import LATENCY, Entry, Segment
from hardware.tables.latency_table import LatencyTable
from search_spaces.compression_policy import FULL_PRECISION_BITS, QUANTIZED_BITS, LayerPolicy
from search_spaces.layer_spec import LayerSpec

_LEAST_BITS = min(QUANTIZED_BITS)  # the narrowest weights that any policy has


@dataclass(frozen=True)
class Roofline:
    """A device on which a layer takes as long as computing or moving its bytes, whichever is longer, plus an overhead.

    Attributes:
        name: Name of the device.
        peak_gops: Billions of operations per second, a multiply-accumulate being two, by precision, which is written
            as a policy. Quantised weights of other bits are executed in the next wider precision with the same
            activation bits.
        bandwidth_gb_s: Billions of bytes per second between memory and compute units.
        overhead_us: Time to start a layer, in microseconds.
        energy_pj: Picojoules per operation, by precision; empty where energy is of no interest.
        energy_pj_per_byte: Picojoules per byte that is moved.

    Raises:
        ValueError: If there is no precision, a peak, the bandwidth or an energy per operation is not above 0, the
            overhead or the energy per byte is below 0, or only some precisions have an energy.
    """

    name: str
    peak_gops: Mapping[LayerPolicy, float]
    bandwidth_gb_s: float
    overhead_us: float
    energy_pj: Mapping[LayerPolicy, float] = field(default_factory=dict)
    energy_pj_per_byte: float = 0.0

    def __post_init__(self) -> None:
        for key, rule, kept in (
            (
                "peak_gops",
                "have one or more precisions, all above 0",
                self.peak_gops and all(peak > 0 for peak in self.peak_gops.values()),
            ),
            ("bandwidth_gb_s", "be above 0", self.bandwidth_gb_s > 0),
            ("overhead_us", "be 0 or more", self.overhead_us >= 0),
            ("energy_pj", "be above 0 for every precision", all(energy > 0 for energy in self.energy_pj.values())),
            (
                "energy_pj",
                f"have all precisions ({', '.join(map(str, self.peak_gops))}) or none",
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
        """The device with its precisions, in the order of weight bits and then activation bits."""
        precisions, below = [], dict.fromkeys((policy.activation_bits for policy in self.peak_gops), _LEAST_BITS)
        for policy in sorted(self.peak_gops, key=lambda policy: (policy.weight_bits, policy.activation_bits)):
            bits, activations = policy.weight_bits, policy.activation_bits
            least = bits if bits == FULL_PRECISION_BITS else below[activations]
            precisions.append(Precision(tuple(range(least, bits + 1)), activations))
            below[activations] = bits + 1
        return Device(self.name, "analytic", precisions=tuple(precisions))

    def latency_ms(self, layer: LayerSpec, executed: LayerPolicy) -> float:
        """Estimated latency of a layer in milliseconds.

        Args:
            layer: The layer; one input at a time.
            executed: The precision that executes it, a key of `peak_gops`.
        """
        compute_s = 2 * layer.macs / (self.peak_gops[executed] * 1e9)
        move_s = _moved_bytes(layer, executed) / (self.bandwidth_gb_s * 1e9)
        return 1e3 * max(compute_s, move_s) + 1e-3 * self.overhead_us

    def energy_mj(self, layer: LayerSpec, executed: LayerPolicy) -> float:
        """Estimated energy of a layer in millijoules.

        Args:
            layer: The layer; one input at a time.
            executed: The precision that executes it, a key of `energy_pj`.
        """
        picojoules = 2 * layer.macs * self.energy_pj[executed] + _moved_bytes(layer, executed) * self.energy_pj_per_byte
        return 1e-9 * picojoules

    def table(self, layers: Iterable[LayerSpec]) -> LatencyTable:
        """A table of estimates for all layers in all precisions."""
        device = self.device
        empty = LatencyTable(device, origin="estimated")
        entries: dict[Segment, Entry] = {}
        for segment in empty.missing(layers, [precision.policy for precision in device.precisions]):
            ((layer, executed),) = segment
            costs = {LATENCY: self.latency_ms(layer, executed)}
            if self.energy_pj:
                costs["energy_mj"] = self.energy_mj(layer, executed)
            entries[segment] = Entry(costs)
        return LatencyTable(device, entries, "estimated")


def _moved_bytes(layer: LayerSpec, executed: LayerPolicy) -> float:
    """The fewest bytes that a layer moves: weights, input and output, once each."""
    inputs = prod(layer.input_shape)
    return (layer.weights * executed.weight_bits + (inputs + layer.output_elements) * executed.activation_bits) / 8
