"""The display of a running job: lines of text, and a progress bar for every long step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

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

from nas.jobs.console.plain_text import describe_duration
from search_spaces.quoting import escape_lines


class Bar:
    """A progress bar.

    Args:
        progress: Rich's display that shows it.
        task: Its id in that display.
    """

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, more: int, note: str = "") -> None:
        """Advances the bar.

        Args:
            more: Number of units done since the last call.
            note: Text below the bar.
        """
        self._progress.update(self._task, advance=more, note=note)

    def reach(self, done: int, note: str = "", total: int | None = None) -> None:
        """Sets the bar.

        Args:
            done: Number of units done so far.
            note: Text below the bar.
            total: Number of all units, if it was unknown before.
        """
        self._progress.update(self._task, completed=done, note=note, total=total)

    @property
    def left(self) -> str:
        """Estimate of the time left, as hours, minutes and seconds; dashes while there is no estimate."""
        (task,) = self._progress.tasks
        return "-:--:--" if task.time_remaining is None else describe_duration(task.time_remaining)


class Reporter:
    """Shows lines and bars on a console.

    Args:
        console: The console.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str) -> None:
        """Prints a text without markup and control characters."""
        self.console.print(escape_lines(text), highlight=False, markup=False, emoji=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int | None) -> Iterator[Bar]:
        """A progress bar with counts, elapsed and remaining time while a block runs.

        Args:
            title: Name of the step.
            total: Number of units of the step; None if it is unknown yet.
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
        """The bars, each with its note below; Rich calls this."""
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            if task.fields["note"]:
                yield Text(f"  {escape_lines(task.fields['note'])}", no_wrap=True, overflow="ellipsis")
