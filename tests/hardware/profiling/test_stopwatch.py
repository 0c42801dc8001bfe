"""Drift is taken out of timings, and they stop when they are certain; nothing here depends on the machine's speed."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.profiling.stopwatch import Stopwatch, remove_drift

TIMES_MS = np.array([0.5, 1.0, 4.0, 2.0, 8.0, 3.0])


def test_drift_that_all_turns_share_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    which = np.concatenate([rng.permutation(len(TIMES_MS)) for _ in range(40)])
    drift = np.linspace(0.0, 0.5, len(which)) + 0.2 * (np.arange(len(which)) > 100)
    logs = np.log(TIMES_MS[which]) + drift + rng.normal(0, 0.01, len(which))
    medians, spreads = remove_drift(which, logs, len(TIMES_MS))
    ratios = np.exp(medians) / TIMES_MS
    assert np.allclose(ratios / ratios[0], 1.0, atol=0.01)
    assert np.exp(drift.min()) <= ratios.mean() <= np.exp(np.quantile(drift, 0.2))  # the speed of quiet moments
    assert (spreads < 0.03).all()
    raw = [np.median(logs[which == index]) for index in range(len(TIMES_MS))]
    assert np.abs(np.exp(medians - np.array(raw)) - 1).mean() > 0.1  # which plain medians do not tell


def test_every_function_has_its_turns_and_runs() -> None:
    calls = [0, 0, 0]
    functions = [lambda index=index: calls.__setitem__(index, calls[index] + 1) for index in range(3)]
    watch = Stopwatch(bound=0.0, limit_s=60.0, rounds=(2, 5), turn_s=0.0, runs=4, warmup=1)
    timings = watch.time(functions)
    assert calls == [5 * (4 + 1)] * 3
    assert [timing.repeats for timing in timings] == [20, 20, 20]
    assert all(timing.latency_ms > 0 and timing.spread >= 0 for timing in timings)


def test_nothing_to_time_and_no_turns() -> None:
    assert Stopwatch().time([]) == []
    with pytest.raises(ValueError, match="rounds must be two rising numbers"):
        Stopwatch(rounds=(4, 2))


def test_stops_when_certain_or_late() -> None:
    for watch in (Stopwatch(bound=1e9, rounds=(2, 5), turn_s=0.0), Stopwatch(0.0, 0.0, rounds=(2, 5), turn_s=0.0)):
        assert watch.time([lambda: None])[0].repeats == 2 * watch.runs
