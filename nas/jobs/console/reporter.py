"""What a running job shows: one line per stage and a bar for everything long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text


class Bar:
    """A progress bar.

    Args:
        progress: The display that it belongs to.
        task: Its number there.
    """

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, more: int, note: str = "") -> None:
        """So much more is done.

        Args:
            more: How much.
            note: What stands below the bar.
        """
        self._progress.update(self._task, advance=more, note=note)

    def reach(self, done: int, note: str = "", total: int | None = None) -> None:
        """So much is done in all.

        Args:
            done: How much.
            note: What stands below the bar.
            total: Of how much, where that was not known before.
        """
        self._progress.update(self._task, completed=done, note=note, total=total)

    @property
    def left(self) -> str:
        """Estimate of the time left, as hours, minutes and seconds; a dash while nothing is known of it."""
        (task,) = self._progress.tasks
        return "-:--:--" if task.time_remaining is None else str(timedelta(seconds=round(task.time_remaining)))


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
        """A progress bar with counts, elapsed and remaining time while a block runs.

        Args:
            title: What is done.
            total: How much there is to do; None if that is not known yet.
        """
        columns = (
            TextColumn(f"{title:<22}", markup=False),
            BarColumn(),  # the only one that gives way where there is little room
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TextColumn("left"),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
        )
        with _Display(*columns, console=self.console) as progress:
            yield Bar(progress, progress.add_task(title, total=total, note=""))


class _Display(Progress):
    """A bar, and its note on a line of its own."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """As `Progress` asks for it."""
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            if task.fields["note"]:
                yield Text(f"  {task.fields['note']}", no_wrap=True, overflow="ellipsis")
