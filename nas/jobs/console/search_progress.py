"""The display of a search: its progress, and its outlook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nas.jobs.console.reporter import Reporter
from nas.search.runner.failures import FailedCandidate, count_reasons
from nas.search.runner.loop import Progress
from nas.search.runner.search_plan import SearchResult


@contextmanager
def follow_search(reporter: Reporter, evaluations: int) -> Iterator[Progress]:
    """Shows a bar of evaluations, beside the outlook of the searcher, while the block runs.

    Args:
        reporter: Shows the bar.
        evaluations: Number of evaluations of the search.
    """
    with reporter.bar("search", evaluations) as bar:
        yield lambda more, outlook: bar.advance(more, str(outlook or ""))


def say_end(reporter: Reporter, result: SearchResult, known: int, evaluations: int) -> None:
    """Prints the searcher's notes, and that no candidates are left, or else the outlook and how to go on, if known.

    Args:
        reporter: Prints it.
        result: What the search found.
        known: Number of candidates that were known before, which it did not evaluate again.
        evaluations: Number of evaluations that the job asked for.
    """
    for note in result.notes:
        reporter.say(f"search   {note}")
    if result.exhausted:
        spent = len(result) + len(result.failures)
        reporter.say(
            f"search   the space has only {known + spent} candidates; all are evaluated, with {spent} of "
            f"{evaluations} evaluations"
        )
    elif result.outlook is not None:
        reporter.say(f"search   {result.outlook}; to go on, raise search.evaluations, now {evaluations}")


def say_failures(reporter: Reporter, stage: str, failed: Sequence[FailedCandidate], evaluations: int) -> None:
    """Prints how many candidates have failed, and one line for each reason; prints nothing if there are none.

    Args:
        reporter: Prints them.
        stage: Name of the stage, which begins each line.
        failed: The candidates that have failed.
        evaluations: Number of all evaluations.
    """
    if not failed:
        return
    reporter.say(f"{stage:<9}{len(failed)} of {evaluations} candidates failed, and are left out:")
    for reason, count, first in count_reasons(failed):
        reporter.say(f"{stage:<9}  {count} x {reason} (first {first})")
