"""The evaluations of a run that failed: counted, summed up, and too many of them.

Independent of searchers and databases.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

MOST_FAILURES = 0.1  # share of the evaluations of a run that may fail, if nothing else is said
BEGIN_ANEW = "once the cause is put right, another seed or name of the job begins a new run"
_ROUNDING = 1e-9  # a product such as 0.29 * 100 is a little below the whole number that it stands for


class TooManyFailures(ValueError):
    """More evaluations of a run have failed than it is to bear."""


@dataclass(frozen=True)
class FailedCandidate:
    """A candidate that could not be evaluated.

    Attributes:
        key: Its key.
        reason: Why not, in one line.
    """

    key: str
    reason: str


class FailureTally:
    """Counts the failures of a run, and ends the run when there are too many.

    Args:
        evaluations: Number of evaluations of the whole run.
        share: Share of them that may fail, from 0 to 1. If it is above 0, one failure is always borne.

    Attributes:
        failed: The candidates that have failed so far.
    """

    def __init__(self, evaluations: int, share: float = MOST_FAILURES) -> None:
        self.failed: list[FailedCandidate] = []
        self._evaluations, self._share = evaluations, share

    def add(self, failed: Sequence[FailedCandidate], asked: int) -> None:
        """Counts failures.

        Args:
            failed: Candidates that have failed.
            asked: Number of all evaluations so far; with those at a low fidelity, they may be more than planned.

        Raises:
            TooManyFailures: If there are too many by now; the message names the commonest reason.
        """
        self.failed += failed
        total = max(self._evaluations, asked)
        borne = max(floor(self._share * total + _ROUNDING), 1 if self._share > 0 else 0)
        if failed and not len(self.failed) <= borne:
            (reason, count, key), *_ = count_reasons(self.failed)
            raise TooManyFailures(
                f"{len(self.failed)} of the first {asked} evaluations failed, and {borne} of {total} may "
                f"(most_failures is {self._share:g}); the commonest reason ({count} times, first for candidate {key}): "
                f"{reason}; raising search.most_failures continues this run, whose failures are kept; {BEGIN_ANEW}"
            )


def count_reasons(failed: Sequence[FailedCandidate]) -> list[tuple[str, int, str]]:
    """The reasons of failures, the commonest first: the reason, how often it occurs, the key of its first candidate.

    Reasons that differ in numbers alone, such as how many bytes were lacking, count as one, with the text of the first.
    """
    counts = Counter(_blank_numbers(one.reason) for one in failed)
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))  # failures come in any order
    first = {_blank_numbers(one.reason): one for one in reversed(failed)}
    return [(first[kind].reason, count, first[kind].key) for kind, count in ranked]


def _blank_numbers(reason: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "#", reason)
