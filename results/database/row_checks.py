"""Whether rows hold what this program writes: SQLite keeps any type in any column, and others may have edited them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeGuard

from results.database.errors import DatabaseError
from results.evaluation import FULL_FIDELITY, SOURCES
from results.metric import COLUMNS, METRICS, Metric, extend_metrics, read_metrics
from search_spaces.quoting import cut, quote

_ROUNDING = 1e-6  # by which a mean of values within bounds may lie outside
_SHAPE = ("resolution", "blocks", "mean_weight_bits")  # numbers that are derived from a candidate
_LARGEST = 10**300  # an integer beyond has no float


@dataclass(frozen=True)
class Unreadable:
    """What stands in place of a JSON value that cannot be read.

    Attributes:
        reason: Why.
    """

    reason: str


@dataclass(frozen=True)
class Known:
    """The metrics of a run.

    Attributes:
        described: Those that its record describes.
        damage: What is wrong with that description; empty if nothing is.
    """

    described: tuple[Metric, ...] = ()
    damage: str = ""
    _bounds: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False, compare=False)

    def bounds(self, name: str) -> tuple[float, float]:
        """Least and most that a value of a metric can be; of an unknown one, anything."""
        if name not in self._bounds:
            metrics = extend_metrics(self.described) if self.described else METRICS
            self._bounds[name] = metrics[name].bounds if name in metrics else (-math.inf, math.inf)
        return self._bounds[name]


def read_described(inputs: Any) -> Known:
    """The metrics of a run.

    Args:
        inputs: The inputs in its record, or what stands in place of them.
    """
    if not isinstance(inputs, dict):
        return Known(damage=inputs.reason if isinstance(inputs, Unreadable) else f"its inputs are {quote(inputs)}")
    try:
        return Known(tuple(read_metrics(inputs.get("described_metrics", {}))))
    except ValueError as error:
        return Known(damage=str(error))


def parse_json(text: Any) -> Any:
    """The value of a column of JSON, or `Unreadable`, so that whoever reads the row can say which one it is."""
    try:
        return json.loads(text)
    except RecursionError:
        return Unreadable("its JSON is nested too deeply")
    except (ValueError, TypeError) as error:
        return Unreadable(f"its JSON cannot be read: {error}")


def check_evaluations(rows: Sequence[Mapping[str, Any]], metrics: Callable[[str], Known]) -> None:
    """Checks rows of evaluations; those of `queries.select_evaluations` for what belongs to them, too.

    Args:
        rows: The rows.
        metrics: Gives the metrics of a run.

    Raises:
        DatabaseError: If one or more rows are damaged; it names the first, and says what is wrong with it.
    """
    known = {run: metrics(run) for run in dict.fromkeys(row["run"] for row in rows)}
    damaged = [row for row in rows if _find_damage(row, known[row["run"]])]
    if damaged:
        row, more = damaged[0], len(damaged) - 1
        others = f", and so {'are' if more > 1 else 'is'} {more} more" if more else ""
        raise DatabaseError(
            f"evaluation {quote(row['sequence'])} of run {quote(row['run'])} is damaged in the database "
            f"({_find_damage(row, known[row['run']])}){others}; restore a copy, or leave that run out"
        )


def check_run(row: Mapping[str, Any]) -> None:
    """Checks a row of a run.

    Raises:
        DatabaseError: If it is damaged.
    """
    if damage := describe_run_damage(row):
        raise DatabaseError(f"{damage}; restore a copy")


def describe_run_damage(row: Mapping[str, Any]) -> str:
    """What is wrong with a row of a run, with its name; empty if nothing is."""
    wrong = next((name for name, fits in _RUN_COLUMNS.items() if not fits(row[name])), "")
    if wrong:
        value = row[wrong]
        reason = value.reason if isinstance(value, Unreadable) else f"got {quote(value)}"
    elif reason := read_described(row["inputs"]).damage:
        wrong = "described_metrics"
    return f"{wrong} of run {quote(row['run'])} is damaged in the database ({reason})" if wrong else ""


def check_values(values: Any, known: Known) -> str:
    """What is wrong with the values of an evaluation; empty if nothing is.

    Args:
        values: The values by metric.
        known: The metrics of its run.
    """
    if known.damage:
        return f"the metrics that its run describes cannot be read: {known.damage}"
    if isinstance(values, Unreadable):
        return values.reason
    if type(values) is not dict or not values:
        return f"its values must map one or more metrics to numbers, got {quote(values)}"
    for name, value in values.items():
        if name in COLUMNS:
            return f"{name!r} is no metric, but a column of results"
        if not is_number(value):
            return f"{name} must be a finite number, got {quote(value)}"
        least, most = known.bounds(name)
        if not least - _ROUNDING <= value <= most + _ROUNDING:
            return f"{name} must lie between {least:g} and {most:g}, got {quote(value)}"
    return ""


def _find_damage(row: Mapping[str, Any], known: Known) -> str:
    """What is wrong with a row of an evaluation; empty if nothing is."""
    if not _is_count(row["sequence"]):
        return "its sequence number must be an integer from 0"
    if not all(type(row[name]) is int for name in ("tell_order", "seed") if name in row):
        return "its tell order and its seed must be integers"
    if row["source"] not in SOURCES:
        return f"its source must be one of {', '.join(SOURCES)}, got {quote(row['source'])}"
    if not (is_number(row["fidelity"]) and 0 < row["fidelity"] <= FULL_FIDELITY):
        return f"its fidelity must be above 0 and at most 1, got {quote(row['fidelity'])}"
    if "device" in row and not isinstance(row["device"], str):
        return "its run is lost"
    if "stored" in row and row["stored"] is None:
        return f"its candidate {cut(str(row['key']), 80)} is lost"
    wrong = next((name for name in _SHAPE if name in row and not is_number(row[name])), None)
    if wrong is not None:
        return f"{wrong} of its candidate {cut(str(row['key']), 80)} must be a number, got {quote(row[wrong])}"
    failure, values = row["failure"], row["values"]
    if not isinstance(failure, str) or (failure and values != {}):
        return f"its failure must be a text, without values beside it, got {quote(failure)} and {quote(values)}"
    return "" if failure else check_values(values, known)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a finite number, and no bool; an integer may be too large for a float."""
    if type(value) is float:
        return math.isfinite(value)
    return type(value) is int and abs(value) < _LARGEST


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_integer(value: object) -> bool:
    return type(value) is int


def _is_json(value: object) -> bool:
    """Whether it is a mapping of JSON, which has no infinite numbers."""
    try:
        return isinstance(value, dict) and bool(json.dumps(value, allow_nan=False))
    except ValueError:
        return False


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and "-" in value and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _is_counts(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))


_RUN_COLUMNS: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("run", "device", "job", "stage", "subject", "git"), _is_text),
    **dict.fromkeys(("inputs", "versions", "job_document"), _is_json),
    "created": _is_time,
    "sources": _is_counts,
    "seed": _is_integer,
}
