"""What a table has that is nearly a layer which it lacks: the same one at another size, or with one other attribute."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from typing import Any

from hardware.tables.latency_table import LatencyTable
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

SIZE = "input size"


def find_nearest(table: LatencyTable, layer: LayerSpec) -> dict[str, list[Any]]:
    """The attributes in which layers of a table differ from a layer, of those that differ in one alone.

    Args:
        table: The table.
        layer: A layer that it has no entry for, as its entries are (see `LatencyTable.segment`).

    Returns:
        By the name of the attribute, the values that the table has, such as `{"out_features": [10]}`; empty if no
        layer of it is like that one.
    """
    wanted, found = _attributes(layer), defaultdict(set)
    for known in {known.unnamed for segment in table.entries for known, _ in segment}:
        attributes = _attributes(known)
        if attributes.keys() == wanted.keys():
            different = [name for name, value in attributes.items() if value != wanted[name]]
            if len(different) == 1:
                found[different[0]].add(attributes[different[0]])
    return {name: sorted(values, key=str) for name, values in found.items()}


def _attributes(layer: LayerSpec) -> dict[str, Any]:
    """All that tells layers apart, with the channels of the input counted once: by the operator that reads them."""
    operator = layer.operator
    own = {field.name: getattr(operator, field.name) for field in fields(operator)}  # type: ignore[arg-type]
    channels = -len(operator.kernel) - 1 if isinstance(operator, Convolution) else -1
    sides = tuple(side for axis, side in enumerate(layer.input_shape, -len(layer.input_shape)) if axis != channels)
    rest = {"normalized": layer.normalized, "activation": layer.activation and str(layer.activation), SIZE: sides}
    return {"operator": operator.name, **own, **rest}
