"""What a search of a job says of itself: how far it is, and what going on would bring.

In: a searcher, and where progress is shown. Out: a note at its bar and a line at its end.
"""

from __future__ import annotations

from nas.jobs.console.reporter import Bar, Reporter
from nas.search.recorder import Progress
from nas.search.searcher import Searcher


def noted(bar: Bar, made: Searcher) -> Progress:
    """Advances the bar by what became known, beside what the searcher foresees."""
    return lambda more: bar.advance(more, str(made.outlook or ""))


def say_outlook(reporter: Reporter, made: Searcher, evaluations: int) -> None:
    """Says what going on would bring, of a searcher that foresees it, and how to go on."""
    outlook = made.foresee(made.batch)
    if outlook is not None:
        reporter.say(f"search   {outlook}; to go on, raise search.evaluations, now {evaluations}")
