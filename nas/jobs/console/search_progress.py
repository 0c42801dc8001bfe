"""What a search of a job says of itself: how far it is, and what going on would bring."""

from __future__ import annotations

from nas.jobs.console.reporter import Bar, Reporter
from nas.search.protocol.outlook import Outlook
from nas.search.runner.loop import Progress


def noted(bar: Bar) -> Progress:
    """Advances the bar by what became known, beside what the searcher foresees."""
    return lambda more, outlook: bar.advance(more, str(outlook or ""))


def say_outlook(reporter: Reporter, outlook: Outlook | None, evaluations: int) -> None:
    """Says what going on would bring, if that is foreseen, and how to go on."""
    if outlook is not None:
        reporter.say(f"search   {outlook}; to go on, raise search.evaluations, now {evaluations}")
