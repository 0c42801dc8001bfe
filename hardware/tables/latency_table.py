"""Latency tables: what layers cost on one device, each alone or several that run one after another.

In: measured, imported or estimated costs. Out: `LatencyTable`, which prices layers under their policies and says what
it lacks. Knows no network, no file and not how anything was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from hardware.calibration.calibration import Calibration
from hardware.device import Device
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution, Linear

Layers = Sequence[tuple[LayerSpec, LayerPolicy]]
Segment = tuple[tuple[LayerSpec, LayerPolicy], ...]  # layers as a table knows them, with the policies of their kernels
Origin = Literal["measured", "imported", "estimated"]
Ignored = Literal["activation", "bias", "normalized"]
LATENCY = "latency_ms"


class MissingCost(ValueError):
    """A layer that a table has no entry for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one segment costs.

    Attributes:
        values: By metric, such as `latency_ms` or `energy_mj`, in its unit.
        spread: Relative interquartile range of what was timed for it; 0 where it is unknown.
        repeats: Number of measurements; 0 where it is unknown.
        factor: Latency within a network over the latency alone; found by calibration.
    """

    values: Mapping[str, float]
    spread: float = 0.0
    repeats: int = 0
    factor: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.factor < math.inf:
            raise ValueError(f"a factor must be positive and finite, got {self.factor}")
        if not self.values or not all(0 < value < math.inf for value in self.values.values()):
            raise ValueError(f"costs must be positive and finite, got {dict(self.values)}")


@dataclass(frozen=True)
class LatencyTable:
    """Costs of segments on a device: of single layers, or of whole blocks of layers.

    Attributes:
        device: Where the entries hold.
        entries: Cost of a segment. A layer with a name stands for itself; one without for all of its shape.
        origin: Where they come from.
        ignores: Fields of `LayerSpec` that its entries do not tell apart, such as `activation`.
        constants: What every network costs besides its segments, by metric.
        calibration: Turns latencies of layers into latencies of networks.
        reference_ms: What the reference workload took when the first entry was measured; all hold at that speed.
        fingerprint: The machine that the entries were measured on; empty where that is unknown.
        date: When the last entry was measured (ISO 8601); empty while there are none.
    """

    device: Device
    entries: Mapping[Segment, Entry] = field(default_factory=dict)
    origin: Origin = "measured"
    ignores: tuple[Ignored, ...] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
    reference_ms: float | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    date: str = ""

    @property
    def place(self) -> str:
        """The device and the machine that it was measured on, as one name; it says so where it is an estimate."""
        machine = self.fingerprint.get("gpu", "") or self.fingerprint.get("cpu", "")
        settings = {"threads": self.device.threads, "batch": self.device.batch}
        changed = "".join(f", {name} {value}" for name, value in settings.items() if value > 1)
        estimated = " (estimated)" if self.origin == "estimated" else ""
        return f"{self.device.name}{f' on {machine}' if machine else ''}{changed}{estimated}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that every entry has."""
        common = [entry.values.keys() for entry in self.entries.values()]
        return tuple(sorted(set.intersection(*map(set, common)))) if common else ()

    @property
    def has_blocks(self) -> bool:
        """Whether an entry prices several layers at once."""
        return any(len(segment) > 1 for segment in self.entries)

    def segment(self, layers: Layers) -> Segment:
        """How the table knows layers that run one after another, call by call.

        Raises:
            ValueError: If the device has no kernel for a policy.
        """
        return tuple(
            (self._canonical(call), self.device.kernel(policy)) for layer, policy in layers for call in layer.calls
        )

    def cost(self, metric: str, layers: Layers) -> float:
        """Cost of layers that run one after another: of all as one, else the sum over each.

        Raises:
            ValueError: If the device has no kernel for a policy.
            MissingCost: If there is no entry for a layer; names it.
        """
        whole = self.entries.get(self.segment(layers)) if len(layers) > 1 else None
        if whole is not None and metric in whole.values:
            return _priced(whole, metric)
        calls = ((call, policy) for layer, policy in layers for call in layer.calls)
        return sum(_priced(self.entry_of(call, policy, metric), metric) for call, policy in calls)

    def network_cost(self, metric: str, blocks: Iterable[Layers]) -> float:
        """Cost of the blocks of a network and of what every network costs, without its tensors; raises as `cost`."""
        return self.constants.get(metric, 0.0) + sum(self.cost(metric, block) for block in blocks)

    def latency_ms(self, layer: LayerSpec, policy: LayerPolicy) -> float:
        """Latency of one layer alone, of all its calls, in milliseconds; raises as `cost` does."""
        return sum(self.entry_of(call, policy).values[LATENCY] for call in layer.calls)

    def missing(self, layers: Iterable[LayerSpec], policies: Sequence[LayerPolicy]) -> list[Segment]:
        """The single layers to be measured before each has a latency under every policy; each once, in order.

        Raises:
            ValueError: If the device has no kernel for a policy.
        """
        kernels = list(dict.fromkeys(self.device.kernel(policy) for policy in policies))
        calls = [call for layer in layers for call in layer.calls]
        wanted = dict.fromkeys(((self._canonical(call), kernel),) for call in calls for kernel in kernels)
        return [segment for segment in wanted if LATENCY not in self._values(segment)]

    def with_entries(
        self, entries: Mapping[Segment, Entry], reference_ms: float, fingerprint: Mapping[str, str]
    ) -> LatencyTable:
        """This table with entries added that were measured just now on the machine of `fingerprint`.

        Raises:
            ValueError: If the present entries come from another machine or runtime version.
        """
        self.check_machine(fingerprint)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        merged = {
            segment: replace(entry, values={**self._values(segment), **entry.values})
            for segment, entry in entries.items()
        }
        first_ms = reference_ms if self.reference_ms is None else self.reference_ms
        added = {**self.entries, **merged}
        return replace(self, entries=added, reference_ms=first_ms, fingerprint=dict(fingerprint), date=now)

    def with_calibration(self, calibration: Calibration, factors: Mapping[Segment, float]) -> LatencyTable:
        """This table with another calibration, and the factors of some of its entries.

        Raises:
            ValueError: If it prices blocks, or what every network costs: sums of its layers are no whole networks then.
        """
        if self.has_blocks or LATENCY in self.constants:
            raise ValueError(f"only a table of single layers is calibrated; that of {self.device.name!r} prices more")
        changed = {segment: replace(self.entries[segment], factor=factor) for segment, factor in factors.items()}
        return replace(self, calibration=calibration, entries={**self.entries, **changed})

    def check_machine(self, fingerprint: Mapping[str, str]) -> None:
        """Raises ValueError if entries were measured on another machine than that of `fingerprint`."""
        if self.entries and self.fingerprint != fingerprint:
            pairs = {key: (self.fingerprint.get(key), now) for key, now in fingerprint.items()}
            changes = ", ".join(f"{key} was {was!r}, is {now!r}" for key, (was, now) in pairs.items() if was != now)
            raise ValueError(f"the latency table was measured on another machine ({changes}); start a new file")

    def entry_of(self, layer: LayerSpec, policy: LayerPolicy, metric: str = LATENCY) -> Entry:
        """The entry of one layer that is called once and has a metric.

        Raises:
            ValueError: If the device has no kernel for the policy.
            MissingCost: If there is no entry; names the layer.
        """
        kernel = self.device.kernel(policy)
        shape = self._canonical(layer)
        for known in (replace(shape, name=layer.name), shape):
            entry = self.entries.get(((known, kernel),))
            if entry is not None and metric in entry.values:
                return entry
        remedy = f"the table is {self.origin}; take another one"
        if self.origin == "measured" and metric == LATENCY:
            remedy = "measure it with: nas profile JOB, without device.table"
        raise MissingCost(f"no {metric} for {str(shape)!r} at {kernel} in {self.device.name!r}; {remedy}")

    def _values(self, segment: Segment) -> Mapping[str, float]:
        return self.entries[segment].values if segment in self.entries else {}

    def _canonical(self, layer: LayerSpec) -> LayerSpec:
        shape = layer.shape
        operator = shape.operator
        if "bias" in self.ignores and isinstance(operator, Convolution | Linear):
            operator = replace(operator, bias=False)
        return replace(
            shape,
            operator=operator,
            normalized=shape.normalized or "normalized" in self.ignores,
            activation=None if "activation" in self.ignores else shape.activation,
        )


def _priced(entry: Entry, metric: str) -> float:
    return entry.values[metric] * (entry.factor if metric == LATENCY else 1.0)
