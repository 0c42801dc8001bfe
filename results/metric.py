"""Metrics: name and unit of a number, which direction is better, and how it is printed.

Searchers minimise costs; stored and printed values have natural units. `Metric.costs` converts between them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.quoting import quote
from search_spaces.registry import Registry

FloatArray = NDArray[np.float64]

EXPECTED, TESTED = "expected_", "test_"  # name prefixes of the metrics that are derived from each metric
COLUMNS = ("run", "device", "sequence", "source", "fidelity", "key", "resolution", "blocks", "mean_weight_bits")
"""The columns of a table of evaluations beside its metrics, none of which may have such a name."""
_MOST_OF_NAME, _MOST_OF_UNIT = 200, 40  # characters
_FORMAT = re.compile(r"\{:,?(\.[0-9]{1,2})?[fgeE]\}")
_PHYSICAL = ("ms", "mJ", "bytes", "count")  # units of which there is no less than nothing


@dataclass(frozen=True, slots=True)
class Metric:
    """What a number means.

    Attributes:
        name: Unique; the unit stands in it where there is one to name, such as `latency_ms`.
        unit: For people, such as `ms`.
        maximize: Whether more is better.
        format: How people see a value: `{:.2f}`, or another number of decimals, `e`, `E` or `g` for `f`, or `{:,.2f}`.
        least: The least that a value can be.
        most: The most that a value can be.

    Raises:
        ValueError: If the name is empty or that of a column of results, the format is another one, or the name or the
            unit is long or cannot be printed.
    """

    name: str
    unit: str
    maximize: bool = False
    format: str = "{:,.4g}"
    least: float = -math.inf
    most: float = math.inf

    def __post_init__(self) -> None:
        if not self.name or self.name in COLUMNS:
            raise ValueError(
                f"a metric needs a name that no column of results has ({', '.join(COLUMNS)}), got {self.name!r}"
            )
        for what, text, most in (("name", self.name, _MOST_OF_NAME), ("unit", self.unit, _MOST_OF_UNIT)):
            if not (len(text) <= most and text.isprintable()):
                raise ValueError(
                    f"the {what} of a metric must be at most {most} printable characters, got {quote(text)}"
                )
        if not _FORMAT.fullmatch(self.format):  # others reach into Python's objects, or fill the memory
            raise ValueError(
                f"the format of metric {self.name!r} must have one field like {{:.2f}}, with f, g, e or E, "
                f"got {quote(self.format)}"
            )

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and most that a value can be: a percentage lies between 0 and 100, no size or time is below 0."""
        least, most = 0.0 if self.unit in ("%", *_PHYSICAL) else -math.inf, 100.0 if self.unit == "%" else math.inf
        return max(self.least, least), min(self.most, most)

    @property
    def label(self) -> str:
        """Name and unit for people, such as `latency_ms (ms)`; a metric without a unit has its name."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def expected(self) -> Metric:
        """The mean of this metric on new data, given everything that was measured."""
        return replace(self, name=EXPECTED + self.name)

    @property
    def tested(self) -> Metric:
        """This metric on the test data, which nothing was chosen by."""
        return replace(self, name=TESTED + self.name)

    def render(self, value: float) -> str:
        """A value in `unit` as people see it, without the unit."""
        return self.format.format(value)

    def costs(self, values: ArrayLike) -> FloatArray:
        """Values in `unit`, of any shape, as costs of the same shape: smaller is better."""
        natural = np.asarray(values, dtype=np.float64)
        return -natural if self.maximize else natural


class _Metrics(Registry[Metric]):
    """A registry in which every analytic cost is a metric, too, and so are `expected_X` and `test_X` of each metric X.

    Iteration gives the analytic costs, but not the derived metrics.
    """

    def __getitem__(self, name: str) -> Metric:
        """The metric of that name.

        Raises:
            ValueError: If there is none, or two packages define a metric of that name.
        """
        base = self._base(name)
        return self._listed(name) if base is None else replace(self._listed(base), name=name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (self._is_listed(name) or self._base(name) is not None)

    def __iter__(self) -> Iterator[str]:
        return iter([*self._entries, *ANALYTIC_COSTS, *sorted(self._added())])

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names of this project, without those that other packages add."""
        return tuple(self._entries)

    def extended_by(self, others: Mapping[str, Metric]) -> _Metrics:
        """The same with other metrics, by name."""
        return _Metrics(self.kind, {**self._entries, **others}, self._accepts)

    def _base(self, name: str) -> str | None:
        """The name of the metric that a name is derived from; None if it is listed itself, or unknown."""
        if self._is_listed(name):
            return None
        bases = (name.removeprefix(prefix) for prefix in (EXPECTED, TESTED) if name.startswith(prefix))
        return next(filter(self._is_listed, bases), None)

    def _is_listed(self, name: str) -> bool:
        return super().__contains__(name) or name in ANALYTIC_COSTS

    def _listed(self, name: str) -> Metric:
        if name not in ANALYTIC_COSTS:
            return super().__getitem__(name)
        if super().__contains__(name):
            raise ValueError(f"metric {name!r} is an analytic cost as well, of a package; rename one of the two there")
        cost = ANALYTIC_COSTS[name]
        return Metric(name, cost.unit, format=cost.format)


METRICS = _Metrics(
    "metric",
    {
        entry.name: entry
        for entry in (
            Metric("accuracy", "%", maximize=True, format="{:.2f}"),
            Metric("worst_class_accuracy", "%", maximize=True, format="{:.2f}"),
            Metric("top5_accuracy", "%", maximize=True, format="{:.2f}"),
            Metric("corrupted_accuracy", "%", maximize=True, format="{:.2f}"),
            Metric("expected_calibration_error", "%", format="{:.2f}"),
            Metric("macro_f1", "%", maximize=True, format="{:.2f}"),
            Metric("micro_f1", "%", maximize=True, format="{:.2f}"),
            Metric("mean_average_precision", "%", maximize=True, format="{:.2f}"),
            Metric("mean_absolute_error", "target", least=0.0),
            Metric("root_mean_squared_error", "target", least=0.0),
            Metric("r2", "", maximize=True, format="{:.4f}", most=1.0),
            Metric("top1_agreement", "%", maximize=True, format="{:.2f}"),
            Metric("explained_variance", "", maximize=True, format="{:.4f}", most=1.0),
            Metric("output_divergence", "nats", least=0.0),
            Metric("latency_ms", "ms", format="{:.4f}"),
            Metric("latency_cycles", "count", format="{:,.0f}"),
            Metric("energy_mj", "mJ"),
        )
    },
    lambda entry: isinstance(entry, Metric),
)


BUILT_IN = frozenset(METRICS.own_names)
"""Names of the metrics that every installation of this version knows."""


def extend_metrics(described: Iterable[Metric]) -> Registry[Metric]:
    """All metrics that are known here, and others; one that is known here is not replaced.

    Args:
        described: The others, such as metrics of a user's code.
    """
    added = {entry.name: entry for entry in described if entry.name not in METRICS}
    return METRICS.extended_by(added)


def describe_metrics(metrics: Iterable[Metric]) -> dict[str, dict[str, str | bool | float]]:
    """What `read_metrics` reads: the metrics by name, as they stand in the record of a run, without defaults."""
    return {
        entry.name: {
            one.name: value
            for one in fields(entry)
            if one.name != "name" and (value := getattr(entry, one.name)) != one.default
        }
        for entry in metrics
    }


def read_metrics(described: object) -> list[Metric]:
    """The metrics that the record of a run describes.

    Args:
        described: What `describe_metrics` gave, as it came back from a database.

    Raises:
        ValueError: If it describes no metrics, as in a damaged record; the message quotes the first wrong one.
    """
    if not isinstance(described, dict):
        raise ValueError(f"descriptions of metrics must have names, got {quote(described)}")
    return [_read_metric(name, keys) for name, keys in described.items()]


def _read_metric(name: str, keys: object) -> Metric:
    if not isinstance(keys, dict):
        raise ValueError(f"metric {quote(name)} must be described by keys and values, got {quote(keys)}")
    given = {one.name: keys[one.name] for one in fields(Metric) if one.name != "name" and one.name in keys}
    for key, value in given.items():
        if type(value) not in _TYPES[key]:
            raise ValueError(f"{key} of metric {quote(name)} has another type, got {quote(value)}")
    least, most = (given.get(key, bound) for key, bound in (("least", -math.inf), ("most", math.inf)))
    if not least <= most:
        raise ValueError(f"metric {quote(name)} must have a least value up to its most, got {least} and {most}")
    return Metric(name, **{"unit": "", **given})


_TYPES: dict[str, tuple[type, ...]] = {
    **{"unit": (str,), "format": (str,), "maximize": (bool,)},
    **dict.fromkeys(("least", "most"), (int, float)),
}


def get_metric(name: str) -> Metric:
    """The metric of that name, which may be derived: `expected_X` and `test_X` belong to every metric X.

    Raises:
        ValueError: If there is none; the message lists the known ones.
    """
    return METRICS[name]
