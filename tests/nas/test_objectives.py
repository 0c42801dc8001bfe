"""The one place where values become costs and limits become violations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.objectives import Objective, clip_to_constraints, compute_costs, compute_violations
from results.metric import get_metric

VALUES = np.array([[90.0, 5.0, 100.0], [80.0, 10.0, 300.0], [60.0, 20.0, 100.0]])


def objectives(accuracy: float | None, latency_ms: float | None) -> list[Objective]:
    def never(population: object) -> np.ndarray:
        raise AssertionError("values are given")

    named = {"accuracy": accuracy, "latency_ms": latency_ms, "weight_bytes": None}
    return [Objective(get_metric(name), never, limit) for name, limit in named.items()]


def test_maximised_metrics_change_their_sign_in_costs() -> None:
    assert np.array_equal(compute_costs(objectives(None, None), VALUES), VALUES * [-1, 1, 1])


def test_violations_are_summed_relative_excesses() -> None:
    assert compute_violations(objectives(None, None), VALUES).tolist() == [0, 0, 0]
    assert compute_violations(objectives(80.0, None), VALUES).tolist() == pytest.approx([0, 0, 0.25])  # at least
    assert compute_violations(objectives(None, 10.0), VALUES).tolist() == pytest.approx([0, 0, 1.0])  # at most
    assert compute_violations(objectives(100.0, 5.0), VALUES).tolist() == pytest.approx([0.1, 0.2 + 1.0, 0.4 + 3.0])


def test_within_a_constraint_all_costs_compare_alike() -> None:
    accuracy, latency, size = objectives(80.0, None)
    limited = [replace(accuracy, constraint=True), latency, size]
    raw = compute_costs(limited, VALUES)
    assert raw[:, 0].tolist() == [-90.0, -80.0, -60.0]
    assert clip_to_constraints(limited, raw)[:, 0].tolist() == [-80.0, -80.0, -60.0]
    assert np.array_equal(clip_to_constraints(limited, raw)[:, 1:], VALUES[:, 1:])
    with pytest.raises(ValueError, match="latency_ms is to be a constraint, and has no limit"):
        replace(latency, constraint=True)
