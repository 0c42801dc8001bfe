"""Evaluations as pandas tables; the rows that keep limits, and those on a Pareto front.

A table has one column for each metric, in natural units, with NaN if an evaluation lacks the metric.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from results.evaluation import FULL_FIDELITY
from results.metric import COLUMNS, EXPECTED, METRICS, TESTED, FloatArray, Metric
from results.pareto import non_dominated

IDENTITY, SHAPE = COLUMNS[:6], COLUMNS[6:]


def make_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table of rows that `queries.select_evaluations` gives, in which `values` maps metrics to values.

    The columns are those of `IDENTITY`, then the metrics, registered ones first, then those of `SHAPE`. An evaluation
    that failed has no values, and no row.
    """
    rows = [row for row in rows if row["values"]]
    values = pd.DataFrame([row["values"] for row in rows], dtype=np.float64)
    values = values[_order_metrics(values.columns)]
    identity = pd.DataFrame.from_records(rows, columns=list(IDENTITY))
    shape = pd.DataFrame.from_records(rows, columns=list(SHAPE))
    return pd.concat([identity, values, shape], axis=1)


def keep_within(
    frame: pd.DataFrame, limits: Mapping[str, float], metrics: Mapping[str, Metric] = METRICS
) -> pd.DataFrame:
    """The rows that keep all limits; rows that lack a limited metric do not.

    Args:
        frame: Evaluations.
        limits: Metric name to the worst value allowed: an upper bound where less is better, else a lower bound.
        metrics: The metrics that are known, by name.

    Raises:
        ValueError: If a metric is unknown, no row has it, or a bound is not finite.
    """
    kept = np.ones(len(frame), dtype=np.bool_)
    for name, bound in limits.items():
        entry = metrics[name]
        if not math.isfinite(bound):
            raise ValueError(f"the limit of {name} must be a finite number, got {bound}")
        kept &= _compute_costs(frame, [entry])[:, 0] <= entry.costs(bound)
    return frame[kept].reset_index(drop=True)


def select_front(frame: pd.DataFrame, metrics: Sequence[Metric]) -> pd.DataFrame:
    """The rows that no other row beats, sorted by the first metric, best first; equal rows are all kept.

    Rows that lack one of the metrics, and those of less than full fidelity, are left out.

    Args:
        frame: Evaluations. Without a column `fidelity`, all of them are of full fidelity.
        metrics: The metrics of the front, one or more.

    Raises:
        ValueError: If no metric is given, or no row has one of them.
    """
    if not metrics:
        raise ValueError(f"a Pareto front needs one or more metrics, got none; known: {', '.join(METRICS)}")
    if "fidelity" in frame:
        frame = frame[frame["fidelity"] == FULL_FIDELITY]
    costs = _compute_costs(frame, metrics)
    complete = np.flatnonzero(~np.isnan(costs).any(axis=1))
    best = complete[non_dominated(costs[complete])]
    return frame.iloc[best[np.lexsort(costs[best].T[::-1])]].reset_index(drop=True)


def choose_metrics(frame: pd.DataFrame) -> list[str]:
    """The metrics of a front if the user names none: those of the latest run, except test values.

    Metrics of runs with other objectives are not mixed in, for nobody asked for a front in what they happen to share.
    If the latest run has both X and `expected_X`, only `expected_X` is taken. For a table without rows it is accuracy.

    Args:
        frame: Evaluations, the latest run last.
    """
    if frame.empty:
        return ["accuracy"]
    latest = frame[frame["run"] == frame["run"].iloc[-1]]
    names = [name for name in frame.columns if name not in COLUMNS and not name.startswith(TESTED)]
    there = [name for name in names if latest[name].notna().all()]
    return [name for name in there if EXPECTED + name not in there]


def _compute_costs(frame: pd.DataFrame, metrics: Sequence[Metric]) -> FloatArray:
    """Costs of the rows, shape (n, m), NaN where a row lacks a metric.

    Raises:
        ValueError: If no row of a table that has rows has one of the metrics.
    """
    absent = [entry.name for entry in metrics if entry.name not in frame or not frame[entry.name].notna().any()]
    if absent and len(frame):
        there = [name for name in frame.columns if name not in COLUMNS]
        raise ValueError(f"no evaluation here has {', '.join(absent)}; recorded: {', '.join(there)}")
    if absent:
        return np.empty((0, len(metrics)))
    return np.stack([entry.costs(frame[entry.name].to_numpy()) for entry in metrics], axis=1)


def _order_metrics(names: Iterable[str]) -> list[str]:
    """Sorts names of metrics: registered ones in their order, each followed by its derived ones; unknown ones last."""
    found = list(names)
    known = [prefix + name for name in METRICS for prefix in ("", EXPECTED, TESTED)]
    return [name for name in known if name in found] + [name for name in found if name not in known]
