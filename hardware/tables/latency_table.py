"""Latency tables: what layers cost on one device, each alone or several that run one after another.

A `LatencyTable` prices layers under their policies and says which entries it lacks. It is independent of files, of
whole networks and of how its entries were found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from hardware.calibration.calibration import Calibration
from hardware.device import Device
from hardware.tables.entry import LATENCY, Entry, Layers, Segment
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution, Linear

Origin = Literal["measured", "imported", "estimated"]
Ignored = Literal["activation", "bias", "normalized"]


class MissingCost(ValueError):
    """A table has no entry for a layer."""


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
    def location(self) -> str:
        """The device and the machine that it was measured on, as one name; estimates are marked as such."""
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
        """The key of layers that run one after another, call by call.

        Raises:
            ValueError: If the device executes a policy in no precision.
        """
        return tuple(
            (self._canonical(call), self.device.executed_as(policy)) for layer, policy in layers for call in layer.calls
        )

    def cost(self, metric: str, layers: Layers) -> float:
        """Cost of layers that run one after another: by the entry of all of them as a block, else the sum of each.

        Args:
            metric: Such as `latency_ms`; latencies are those within a network.
            layers: With the policy of each.

        Raises:
            ValueError: If the device executes a policy in no precision.
            MissingCost: If there is no entry for a layer; names it.
        """
        whole = self.entries.get(self.segment(layers)) if len(layers) > 1 else None
        if whole is not None and metric in whole.values:
            return whole.within_network(metric)
        calls = ((call, policy) for layer, policy in layers for call in layer.calls)
        return sum(self.find_entry(call, policy, metric).within_network(metric) for call, policy in calls)

    def total(self, metric: str, blocks: Iterable[Layers]) -> float:
        """Cost of all blocks of a network and of what every network costs, without that of its tensors.

        Args:
            metric: Such as `latency_ms`.
            blocks: Each of layers that run one after another, with their policies.

        Raises:
            ValueError: If the device executes a policy in no precision.
            MissingCost: If there is no entry for a layer; names it.
        """
        return self.constants.get(metric, 0.0) + sum(self.cost(metric, block) for block in blocks)

    def latency_ms(self, layer: LayerSpec, policy: LayerPolicy) -> float:
        """Latency of all calls of one layer, each measured alone, in milliseconds.

        Args:
            layer: May be called several times within a network.
            policy: That of the layer.

        Raises:
            ValueError: If the device executes the policy in no precision.
            MissingCost: If there is no entry for a call; names it.
        """
        return sum(self.find_entry(call, policy).values[LATENCY] for call in layer.calls)

    def missing(self, layers: Iterable[LayerSpec], policies: Sequence[LayerPolicy]) -> list[Segment]:
        """What is to be measured before every layer has a latency under every policy.

        Args:
            layers: Those that need a latency.
            policies: Under which each of them needs it.

        Returns:
            Segments of one layer without a latency, each once, in the order of the layers.

        Raises:
            ValueError: If the device executes a policy in no precision.
        """
        executed = list(dict.fromkeys(self.device.executed_as(policy) for policy in policies))
        calls = [call for layer in layers for call in layer.calls]
        wanted = dict.fromkeys(((self._canonical(call), policy),) for call in calls for policy in executed)
        return [segment for segment in wanted if LATENCY not in self._values(segment)]

    def with_entries(
        self, entries: Mapping[Segment, Entry], reference_ms: float, fingerprint: Mapping[str, str]
    ) -> LatencyTable:
        """This table with entries added that were measured just now.

        Args:
            entries: Replace those of the same segments, but keep their other metrics.
            reference_ms: What the reference workload took beside them, in milliseconds; kept with the first entries.
            fingerprint: Of the machine that they were measured on.

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
        """This table with another calibration.

        Args:
            calibration: Of whole networks, by the latencies of this table.
            factors: Of entries of this table; the others keep theirs.

        Raises:
            ValueError: If it prices blocks, or what every network costs: its layers do not add up to networks then.
        """
        if self.has_blocks or LATENCY in self.constants:
            raise ValueError(f"only a table of single layers is calibrated; that of {self.device.name!r} prices more")
        changed = {segment: replace(self.entries[segment], factor=factor) for segment, factor in factors.items()}
        return replace(self, calibration=calibration, entries={**self.entries, **changed})

    def check_machine(self, fingerprint: Mapping[str, str]) -> None:
        """Refuses a machine on which no more entries can be measured for this table.

        Raises:
            ValueError: If there are entries, and they were measured on another machine than that of `fingerprint`.
        """
        if self.entries and self.fingerprint != fingerprint:
            pairs = {key: (self.fingerprint.get(key), now) for key, now in fingerprint.items()}
            changes = ", ".join(f"{key} was {was!r}, is {now!r}" for key, (was, now) in pairs.items() if was != now)
            raise ValueError(f"the latency table was measured on another machine ({changes}); start a new file")

    def find_entry(self, layer: LayerSpec, policy: LayerPolicy, metric: str = LATENCY) -> Entry:
        """The entry of one layer that is called once: that of its name, else that of its shape.

        Args:
            layer: Called once.
            policy: That of the layer.
            metric: What the entry must have a value of.

        Raises:
            ValueError: If the device executes the policy in no precision.
            MissingCost: If there is no such entry; names the layer.
        """
        executed = self.device.executed_as(policy)
        shape = self._canonical(layer)
        for known in (replace(shape, name=layer.name), shape):
            entry = self.entries.get(((known, executed),))
            if entry is not None and metric in entry.values:
                return entry
        remedy = f"the table is {self.origin}; take another one"
        if self.origin == "measured" and metric == LATENCY:
            remedy = "measure it with: nas profile JOB, without device.table"
        raise MissingCost(f"no {metric} for {str(shape)!r} at {executed} in {self.device.name!r}; {remedy}")

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
