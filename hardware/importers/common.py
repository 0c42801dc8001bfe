"""What several importers do: a table made of costs by layer and bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hardware.device import Device, Precision
from hardware.tables.entry import Entry, Segment
from hardware.tables.latency_table import Ignored, LatencyTable
from search_spaces.layer_spec import LayerSpec

# Fields of a layer that tables by shape and bits do not tell apart.
UNKNOWN_FIELDS: tuple[Ignored, ...] = ("activation", "bias", "normalized")
Costs = Mapping[str, float]


def build_bit_table(
    device: Device, costs: Mapping[tuple[LayerSpec, int, int], Costs], constants: Costs | None = None
) -> LatencyTable:
    """A table of single layers that ignores `UNKNOWN_FIELDS`.

    Args:
        device: The device; its precisions are replaced by one for every pair of bits that occurs.
        costs: Costs by layer, weight bits and activation bits.
        constants: Costs of every network besides those of its layers, by metric.
    """
    pairs = sorted({(weights, activations) for _, weights, activations in costs}, reverse=True)
    precisions = {pair: Precision((pair[0],), pair[1]) for pair in pairs}
    known = replace(device, precisions=tuple(precisions.values()))
    empty = LatencyTable(known, {}, "imported", UNKNOWN_FIELDS, constants or {})
    entries: dict[Segment, Entry] = {}
    for (layer, weights, activations), values in costs.items():
        ((shape, executed),) = empty.segment([(layer, precisions[weights, activations].policy)])
        entries[((replace(shape, name=layer.name), executed),)] = Entry(values)
    return replace(empty, entries=entries)
