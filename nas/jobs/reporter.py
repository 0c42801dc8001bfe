"""What a running job shows: one line per stage and a bar for everything long.

In: counts and notes. Out: text on a console. Knows no stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bar:
    """A progress bar.

    Args:
        progress: The display that it belongs to.
        task: Its number there.
    """

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, more: int, note: str = "") -> None:
        """So much more is done."""
        self._progress.update(self._task, advance=more, note=note)

    def reach(self, done: int, note: str = "", total: int | None = None) -> None:
        """So much is done in all; of how much, where that was not known before."""
        self._progress.update(self._task, completed=done, note=note, total=total)


class Reporter:
    """Writes to a console.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int | None) -> Iterator[Bar]:
        """A progress bar with counts, elapsed and remaining time while a block runs."""
        columns = (
            TextColumn(f"{title:<22}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=self.console) as progress:
            yield Bar(progress, progress.add_task(title, total=total, note=""))
