"""The display of a running measurement of damage: a bar, or lines where the output is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nas.jobs.console.reporter import Reporter

_LINE_S = 30.0  # time between two lines, as in a training


@contextmanager
def follow_damage(reporter: Reporter, total: int) -> Iterator[Callable[[], None]]:
    """Gives a callback for every policy that was measured, while the block runs.

    Args:
        reporter: Shows how many were measured, and the time left.
        total: Number of policies that are to be measured.
    """
    done, said = 0, time.monotonic()
    with reporter.bar("measure damage", total) as bar:

        def advance() -> None:
            nonlocal done, said
            done += 1
            bar.advance(1)
            if not reporter.console.is_terminal and time.monotonic() - said >= _LINE_S:
                reporter.say(f"damage   {done} of {total} measured, {bar.left} left")
                said = time.monotonic()

        yield advance
