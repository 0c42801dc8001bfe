"""Measures candidates in this process, whichever it is; whatever goes wrong with one of them becomes its failure."""

from __future__ import annotations

import math
import re
from functools import lru_cache

from nas.evaluation.pool import MakeMeasure, Measure
from nas.objectives import Failure, Measured
from nas.user_code import UserCodeError, describe_plug_in_error
from search_spaces.candidate import Candidate
from search_spaces.quoting import cut, join_lines

_MOST_SAID = 300  # characters of a reason: some libraries put a page into a message
# How CPU and GPU allocators of libraries say it, in errors of types that stand for anything.
_OUT_OF_MEMORY = re.compile(r"out of memory|(can ?not|can't|unable to|failed to) allocate", re.IGNORECASE)


@lru_cache(maxsize=2)
def make_here(make: MakeMeasure) -> Measure:
    """The measurement that `make` creates; this process keeps the two that were used last."""
    return make()


def measure_here(make: MakeMeasure, candidate: Candidate, fidelity: float) -> Measured:
    """Measures a candidate in this process.

    Args:
        make: Creates the measurement, unless this process has it already. What it raises is raised, as no candidate
            could be measured then.
        candidate: The candidate.
        fidelity: Share of a full measurement, above 0 and at most 1.

    Returns:
        Metric name to a finite value, or the failure of this candidate.
    """
    measure = make_here(make)
    try:
        values = {name: float(value) for name, value in measure(candidate, fidelity).items()}
    except (Exception, SystemExit) as error:  # a metric of a user may raise anything, or end the program
        return Failure(_describe(error))
    for name, value in values.items():
        if not math.isfinite(value):
            return Failure(f"{name} is {value}")
    return values


def _describe(error: BaseException) -> str:
    """The reason that an error is, in one line: its type and its message, and of a plug-in its place.

    Lack of memory is named first.
    """
    said = join_lines(str(error))
    line = said if isinstance(error, UserCodeError) else f"{type(error).__name__}: {said}".removesuffix(": ")
    if isinstance(error, Exception):
        line = describe_plug_in_error(error) or line
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(said):
        line = f"out of memory ({line})"
    return cut(line, _MOST_SAID)
