"""Times functions in turns, on a machine whose speed varies.

The speed of a machine drifts by some percent within seconds, with its clock and with its other work. Functions are
therefore timed in many short turns, in an order that changes. The deviation that all turns around a moment have in
common is the drift, and is subtracted. `benchmarks/latency_error.py` shows how well timings repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from search_spaces.additive_cost import FloatArray

_WINDOW = 10  # turns before and after a turn, over which the median deviation is the drift
_PASSES = 4  # medians and drift are estimated alternately, each from the other; they settle within these passes
_QUIET = 0.1  # share of the time in which the machine counts as undisturbed
# Standard error of the median of n normal values, times sqrt(n), divided by their interquartile range.
_ERROR_OF_MEDIAN = 1.25 / 1.349


@dataclass(frozen=True, slots=True)
class Timing:
    """A measured latency.

    Attributes:
        latency_ms: Median over the turns in milliseconds, without drift, at the speed of the fastest tenth of the time.
            Other work only slows a machine down, so the rest of the time counts as disturbed.
        spread: Interquartile range of the turns without drift, divided by their median.
        repeats: Number of timed runs.
    """

    latency_ms: float
    spread: float
    repeats: int


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Times functions in turns until their medians are certain enough, or time is up.

    Attributes:
        bound: Relative standard error; timing stops when nine of ten medians are known at least as well.
        limit_s: Time in seconds after which timing stops too, once every function has had `rounds[0]` turns.
        rounds: Least and greatest number of turns of each function.
        turn_s: Least duration of a turn in seconds.
        runs: Least number of timed runs in a turn.
        warmup: Number of untimed runs at the start of a turn.

    Raises:
        ValueError: If the least number of rounds is below 1 or above the greatest.
    """

    bound: float = 0.007
    limit_s: float = 60.0
    rounds: tuple[int, int] = (4, 20)
    turn_s: float = 0.012
    runs: int = 5
    warmup: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.rounds[0] <= self.rounds[1]:
            raise ValueError(f"rounds must be two rising numbers from 1, got {self.rounds}")

    def time(self, functions: Sequence[Callable[[], None]]) -> list[Timing]:
        """The latency of every function, in order; all are timed in turns."""
        if not functions:
            return []
        rng, start = np.random.default_rng(0), perf_counter_ns()
        which: list[int] = []
        logs: list[float] = []
        repeats = np.zeros(len(functions), dtype=int)
        for turn in range(1, self.rounds[1] + 1):
            for index in rng.permutation(len(functions)):
                elapsed_ms = self._turn(functions[index])
                which.append(int(index))
                logs.append(float(np.log(np.median(elapsed_ms))))
                repeats[index] += len(elapsed_ms)
            if turn >= self.rounds[0]:
                medians, spreads = remove_drift(np.array(which), np.array(logs), len(functions))
                certain = np.quantile(_ERROR_OF_MEDIAN * spreads / np.sqrt(turn), 0.9) <= self.bound
                if certain or perf_counter_ns() - start > self.limit_s * 1e9:
                    break
        return [
            Timing(float(np.exp(median)), float(spread), int(count))
            for median, spread, count in zip(medians, spreads, repeats, strict=True)
        ]

    def _turn(self, run: Callable[[], None]) -> list[float]:
        """One turn of a function: the time of every timed run, in milliseconds."""
        for _ in range(self.warmup):
            run()
        elapsed_ms: list[float] = []
        start = now = perf_counter_ns()
        while len(elapsed_ms) < self.runs or now - start < self.turn_s * 1e9:
            before = perf_counter_ns()
            run()
            now = perf_counter_ns()
            elapsed_ms.append((now - before) / 1e6)
        return elapsed_ms


def remove_drift(which: NDArray[np.int64], logs: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Logarithms of medians, and spreads, of `count` functions, both of shape (count,), at the speed of quiet moments.

    Args:
        which: Index of the function of every turn, in order of time, shape (n,).
        logs: Logarithm of the median time of a run in every turn, shape (n,).
        count: Number of functions.
    """
    turns = [np.flatnonzero(which == index) for index in range(count)]
    drift = np.zeros(len(logs))
    for _ in range(_PASSES):
        medians = np.array([np.median((logs - drift)[own]) for own in turns])
        padded = np.pad(logs - medians[which], _WINDOW, constant_values=np.nan)
        drift = np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, 2 * _WINDOW + 1), axis=1)
    level = logs - drift + np.quantile(drift, _QUIET)
    medians = np.array([np.median(level[own]) for own in turns])
    spreads = np.array([np.ptp(np.quantile(level[own], (0.25, 0.75))) for own in turns])
    return medians, spreads
