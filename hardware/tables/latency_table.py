"""Latency tables: costs of layers on one device, of single layers or of several that run one after another.

A `LatencyTable` looks up the cost of layers under policies, and lists the entries that it lacks. It is independent of
files, of whole networks and of how its entries were measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from hardware.calibration.calibration import Calibration
from hardware.device import Device, describe_changes
from hardware.tables.entry import LATENCY, Entry, Layers, Segment
from search_spaces.compressed_layer import expand_calls
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution, Linear

Origin = Literal["measured", "imported", "estimated"]
Ignored = Literal["activation", "bias", "normalized"]


class MissingCost(ValueError):
    """A table has no entry for a layer.

    Args:
        message: What is said of it.
        layer: The layer, as entries of that table would have it, but with its name; an attribute, too.
    """

    def __init__(self, message: str, layer: LayerSpec) -> None:
        super().__init__(message)
        self.layer = layer

    def __reduce__(self) -> tuple[type[MissingCost], tuple[str, LayerSpec]]:
        """Travels between processes with its layer."""
        return type(self), (str(self), self.layer)


@dataclass(frozen=True)
class LatencyTable:
    """Costs of segments on a device: of single layers, or of whole blocks of layers.

    Attributes:
        device: The device that the entries are for.
        entries: Entries by segment. An entry of a layer with a name is for that layer alone; an entry of a layer
            without a name is for every layer that differs from it in the name only.
        origin: Whether the entries were measured, imported or estimated.
        ignores: Fields of `LayerSpec` that its entries do not tell apart, such as `activation`.
        constants: Costs of every network besides those of its segments, by metric.
        calibration: Turns latencies of layers into latencies of networks.
        reference_ms: Latency of the reference workload when the first entry was measured. All entries are given at the
            speed that the machine had then.
        fingerprint: The machine that the entries were measured on; empty if unknown.
        date: Time at which the last entry was measured (ISO 8601); empty if none was.
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
        """The device and the machine of the measurements as one name; a table of estimates is marked as such."""
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
        """Whether there is an entry of several layers."""
        return any(len(segment) > 1 for segment in self.entries)

    def segment(self, layers: Layers) -> Segment:
        """The key of layers that run one after another, call by call; those of low rank are two layers.

        Raises:
            ValueError: If the device has no precision for a policy.
        """
        return tuple((self._canonical(call), self.device.executed_as(policy)) for call, policy in expand_calls(layers))

    def cost(self, metric: str, layers: Layers) -> float:
        """Cost of layers that run one after another: by the entry of all of them as a block, or else their sum.

        Args:
            metric: Name of a metric, such as `latency_ms`; latencies are those within a network.
            layers: The layers in order, each with its policy.

        Raises:
            ValueError: If the device has no precision for a policy.
            MissingCost: If there is no entry for a layer; the message names the layer.
        """
        whole = self.entries.get(self.segment(layers)) if len(layers) > 1 else None
        if whole is not None and metric in whole.values:
            return whole.within_network(metric)
        return sum(
            self.find_entry(call, policy, metric).within_network(metric) for call, policy in expand_calls(layers)
        )

    def total(self, metric: str, blocks: Iterable[Layers]) -> float:
        """Cost of all blocks of a network plus the constant of every network, without the costs of tensors.

        Args:
            metric: Name of a metric, such as `latency_ms`.
            blocks: The blocks; each is a sequence of layers that run one after another, with their policies.

        Raises:
            ValueError: If the device has no precision for a policy.
            MissingCost: If there is no entry for a layer; the message names the layer.
        """
        return self.constants.get(metric, 0.0) + sum(self.cost(metric, block) for block in blocks)

    def latency_ms(self, layer: LayerSpec, policy: LayerPolicy) -> float:
        """Latency of all calls of one layer, each measured alone, in milliseconds.

        Args:
            layer: The layer, which may be called several times within a network.
            policy: Policy of the layer.

        Raises:
            ValueError: If the device has no precision for the policy.
            MissingCost: If there is no entry for a call; the message names the layer.
        """
        return sum(self.find_entry(call, rest).values[LATENCY] for call, rest in expand_calls([(layer, policy)]))

    def missing(self, layers: Iterable[LayerSpec], policies: Sequence[LayerPolicy]) -> list[Segment]:
        """The segments that must be measured for every layer to have a latency under every policy.

        Args:
            layers: The layers that need latencies, among them the factors of those of low rank.
            policies: The policies under which each layer needs a latency.

        Returns:
            Segments of one layer without a latency, each once, in the order of the layers.

        Raises:
            ValueError: If the device has no precision for a policy.
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
            entries: New entries, which replace present ones of the same segments but keep metrics that they lack.
            reference_ms: Latency of the reference workload that was timed with them, in milliseconds. It is used only
                if the table has none yet.
            fingerprint: Fingerprint of the machine that measured them.

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
            calibration: The new calibration, fitted to whole networks and the latencies of this table.
            factors: New factors of entries of this table; the other entries keep theirs.

        Raises:
            ValueError: If the table has entries of blocks or a constant latency, which a calibration does not model.
        """
        if self.has_blocks or LATENCY in self.constants:
            raise ValueError(
                f"only a table of single layers is calibrated; {self.device.name!r} has blocks or a constant"
            )
        changed = {segment: replace(self.entries[segment], factor=factor) for segment, factor in factors.items()}
        return replace(self, calibration=calibration, entries={**self.entries, **changed})

    def check_machine(self, fingerprint: Mapping[str, str]) -> None:
        """Refuses to add measurements of another machine to this table.

        Raises:
            ValueError: If the table has entries, and `fingerprint` is not that of their machine.
        """
        if self.entries and self.fingerprint != fingerprint:
            changes = describe_changes(self.fingerprint, fingerprint)
            raise ValueError(f"the latency table was measured on another machine ({changes}); start a new file")

    def find_entry(self, layer: LayerSpec, policy: LayerPolicy, metric: str = LATENCY) -> Entry:
        """The entry of one layer that is called once: the entry with its name, or else the one without a name.

        Args:
            layer: A layer without further calls; not one of low rank, which is two.
            policy: Policy of the layer.
            metric: Metric of which the entry must have a value.

        Raises:
            ValueError: If the device has no precision for the policy.
            MissingCost: If there is no such entry; the message names the layer.
        """
        executed = self.device.executed_as(policy)
        canonical = self._canonical(layer)
        for known in (replace(canonical, name=layer.name), canonical):
            entry = self.entries.get(((known, executed),))
            if entry is not None and metric in entry.values:
                return entry
        raise MissingCost(
            f"no {metric} for {str(canonical)!r} at {executed} in {self.device.name!r}; the table is {self.origin}",
            replace(canonical, name=layer.name),
        )

    def _values(self, segment: Segment) -> Mapping[str, float]:
        return self.entries[segment].values if segment in self.entries else {}

    def _canonical(self, layer: LayerSpec) -> LayerSpec:
        """A layer as entries have it: without its name, and with one value for each of the fields in `ignores`."""
        unnamed = layer.unnamed
        operator = unnamed.operator
        if "bias" in self.ignores and isinstance(operator, Convolution | Linear):
            operator = replace(operator, bias=False)
        return replace(
            unnamed,
            operator=operator,
            normalized=unnamed.normalized or "normalized" in self.ignores,
            activation=None if "activation" in self.ignores else unnamed.activation,
        )
