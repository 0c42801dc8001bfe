"""The rows of latency tables: a data frame of entries, and entries of columns whose every cell is checked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware.tables.entry import LATENCY, MOST_COST, MOST_RATIO, Entry, Segment
from hardware.tables.sealed_parquet import Column
from search_spaces.compression_policy import FULL_PRECISION_BITS, QUANTIZED_BITS, LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.operator import Operator, to_tuples
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.registry import parse_operator
from search_spaces.quoting import list_names, quote

if TYPE_CHECKING:
    import pandas as pd

LAYER = ("name", "operator", "input_shape", "normalized", "activation")
KEY = ("entry", *LAYER, "weight_bits", "activation_bits")
QUALITY = ("spread", "repeats", "factor")
TEXTS = ("name", "operator", "input_shape", "activation")
_MOST_TEXT = 10_000  # characters of a cell
_BITS = (*QUANTIZED_BITS, FULL_PRECISION_BITS)
_METRIC = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)


def to_rows(entries: Mapping[Segment, Entry]) -> pd.DataFrame:
    """The rows of the entries of a table, one for each layer of an entry."""
    import pandas as pd

    metrics = dict.fromkeys((LATENCY, *(name for entry in entries.values() for name in entry.values)))
    rows = [
        (
            number,
            *_layer_cells(layer),
            policy.weight_bits,
            policy.activation_bits,
            *(entry.values.get(name, np.nan) for name in metrics),
            entry.spread,
            entry.repeats,
            entry.factor,
        )
        for number, (segment, entry) in enumerate(entries.items())
        for layer, policy in segment
    ]
    return pd.DataFrame(rows, columns=[*KEY, *metrics, *QUALITY]).astype(dict.fromkeys(metrics, float))


def _layer_cells(layer: LayerSpec) -> tuple[str | bool, ...]:
    """A layer as the cells of `LAYER`."""
    activation = "" if layer.activation is None else str(layer.activation)
    return layer.name, str(layer.operator), json.dumps(layer.input_shape), layer.normalized, activation


def list_metrics(columns: Sequence[str]) -> list[str]:
    """The columns that hold costs.

    Raises:
        ValueError: If the columns are not those of a table.
    """
    metrics = list(columns[len(KEY) : len(columns) - len(QUALITY)])
    if tuple(columns) != (*KEY, *metrics, *QUALITY) or len({*columns}) < len(columns):
        expected = f"{', '.join(KEY)}, metrics, {', '.join(QUALITY)}"
        raise ValueError(f"its columns must be {expected}; got {list_names(columns)}")
    for name in metrics:
        if not _METRIC.fullmatch(name):
            raise ValueError(f"a metric has a name of letters, digits and '_', got {quote(name)}")
    return metrics


def read_entries(columns: Mapping[str, Column]) -> dict[Segment, Entry]:
    """The entries of checked columns.

    Args:
        columns: Every column by name, in order, of as many cells; a cell without a value is NaN or None.

    Raises:
        ValueError: If a cell does not hold what its column may hold, or rows contradict each other; the message names
            the column and the row, from 1.
    """
    metrics = list_metrics(list(columns))
    if not len(columns["entry"]):
        return {}
    for name, rule in {**_RULES, **dict.fromkeys(metrics, _COST)}.items():
        _check_column(name, columns[name], rule)
    empty = np.all([np.isnan(columns[name]) for name in metrics], axis=0)
    if empty.any():
        raise ValueError(f"column {metrics[0]}, row {_first(empty)}: must have a cost, for no other column has one")
    return _group(columns, metrics)


def _group(columns: Mapping[str, Column], metrics: Sequence[str]) -> dict[Segment, Entry]:
    """The entries of rows that were checked one by one."""
    layers: dict[int, list[tuple[LayerSpec, LayerPolicy]]] = {}
    costs: dict[int, tuple[tuple[float, ...], int]] = {}  # and the row that says them first
    priced = [*metrics, *QUALITY]
    rows = zip(*(columns[name].tolist() for name in (*KEY, *priced)), strict=True)
    for row, (number, *cells) in enumerate(rows, start=1):
        *layer, weights, activations = cells[: len(KEY) - 1]
        own = tuple(cells[len(KEY) - 1 :])
        layers.setdefault(number, []).append((_layer_of_row(row, *layer), LayerPolicy.quantized(weights, activations)))
        first, at = costs.setdefault(number, (own, row))
        for name, one, other in zip(priced, own, first, strict=True):
            if one != other and not (one != one and other != other):  # two empty cells are alike
                raise ValueError(f"column {name}, row {row}: must repeat row {at} of the same entry, got {one}")
    entries: dict[Segment, Entry] = {}
    for number, segment in layers.items():
        (*values, spread, repeats, factor), row = costs[number]
        if entries.setdefault(tuple(segment), entry := _entry(metrics, values, (spread, repeats, factor))) is not entry:
            raise ValueError(f"column entry, row {row}: another entry is of the same layers and bits, got {number}")
    return entries


def _entry(metrics: Sequence[str], values: Sequence[float], quality: tuple[float, float, float]) -> Entry:
    known = {name: float(value) for name, value in zip(metrics, values, strict=True) if value == value}
    return Entry(known, float(quality[0]), int(quality[1]), float(quality[2]))


def _layer_of_row(row: int, name: str, operator: str, shape: str, normalized: bool, activation: str) -> LayerSpec:
    column = "operator"
    try:
        parsed = _operator(operator)
        column = "activation"
        ending = _activation(activation)
        column = "input_shape"
        sides = _shape(shape)
        return LayerSpec(name, parsed, sides, normalized, ending)
    except ValueError as error:
        raise ValueError(f"column {column}, row {row}: {error}") from error


@lru_cache(maxsize=1 << 16)
def _operator(text: str) -> Operator:
    return parse_operator(text)


@lru_cache(maxsize=1 << 8)
def _activation(text: str) -> Activation | None:
    found = parse_operator(text) if text else None
    if not isinstance(found, Activation | None):
        raise ValueError(f"an activation is written like 'activation function=\"relu\"', got {found}")
    return found


@lru_cache(maxsize=1 << 12)
def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = to_tuples(json.loads(text))
    except (json.JSONDecodeError, RecursionError):
        shape = None
    if not isinstance(shape, tuple):
        raise ValueError(f"a shape is written like [3, 32, 32], got {text[:80]!r}")
    return shape


def _check_column(name: str, cells: Column, rule: Rule) -> None:
    """Raises ValueError, with the row, if a cell does not hold what its column may hold."""
    kinds, holds, wanted = rule
    if cells.dtype.kind not in kinds:
        raise ValueError(f"column {name} must hold {wanted} in every row, got {cells.dtype}")
    wrong = ~holds(cells)
    if wrong.any():
        row = _first(wrong)
        raise ValueError(f"column {name}, row {row}: must be {wanted}, got {quote(cells.tolist()[row - 1])}")


def _first(where: Column) -> int:
    """The number of the first row for which something holds, from 1."""
    return int(where.argmax()) + 1


def _each(holds: Callable[[Any], bool]) -> Callable[[Column], Column]:
    return lambda cells: np.array([holds(cell) for cell in cells.tolist()], dtype=bool)


def _is_line(cell: object) -> bool:
    return isinstance(cell, str) and len(cell) <= _MOST_TEXT and cell.isprintable()


def _within(least: float, most: float) -> Callable[[Column], Column]:
    return lambda cells: (cells >= least) & (cells <= most)


def _above_0(most: float) -> Callable[[Column], Column]:
    return lambda cells: (cells > 0) & (cells <= most)


def _is_cost(cells: Column) -> Column:
    return np.isnan(cells) | _above_0(MOST_COST)(cells)


# Kinds of NumPy types, what all cells must hold, and that in words.
Rule = tuple[str, Callable[[Column], Column], str]
_COST: Rule = ("fi", _is_cost, "a positive and finite cost")
_COUNT: Rule = ("i", _within(0, 1 << 62), "a whole number of 0 or more")
_RULES: dict[str, Rule] = {
    "entry": _COUNT,
    **dict.fromkeys(TEXTS, ("O", _each(_is_line), "a line of text")),
    "normalized": ("b", np.ones_like, "true or false"),
    **dict.fromkeys(("weight_bits", "activation_bits"), ("i", lambda cells: np.isin(cells, _BITS), f"one of {_BITS}")),
    "spread": ("fi", _within(0, MOST_RATIO), "a finite number of 0 or more"),
    "repeats": _COUNT,
    "factor": ("fi", _above_0(MOST_RATIO), "a positive and finite number"),
}
