"""The display of a running training: a bar or lines, and an event log for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from nas.jobs.console.event_log import EventLog
from nas.jobs.console.reporter import Reporter
from nas.training.progress import StepCallback, StepReport

_LINE_S = 30.0  # time between two lines if the output is no terminal


@contextmanager
def follow_training(reporter: Reporter, title: str, folder: Path) -> Iterator[StepCallback]:
    """Gives a callback that shows the steps of a training while the block runs.

    If the output is no terminal, it prints a line after every measured accuracy, and every half minute.

    Args:
        reporter: Shows loss, accuracies, images per second and the time left.
        title: Title of the bar.
        folder: The folder of the training, in which the event log is written.

    Raises:
        OSError: If the event log cannot be written; raised by the watch, too.
    """
    latest: dict[str, float] = {}
    said = time.monotonic()

    with closing(EventLog(folder / "events")) as log, reporter.bar(title, total=None) as bar:

        def watch(report: StepReport) -> None:
            nonlocal said
            latest.update(report.accuracies)
            accuracies = "".join(f", {name} {percent:.1f} %" for name, percent in latest.items())
            position = f"step {report.step}/{report.steps} {report.phase}"
            note = f"{position}: loss {report.loss:.3f}, {report.images_per_s:.0f} images/s{accuracies}"
            bar.reach(report.passes, note, report.all_passes)
            for found in report.notes:
                reporter.say(f"{position}: {found}")
            if not reporter.console.is_terminal and (report.accuracies or time.monotonic() - said >= _LINE_S):
                reporter.say(f"{note}, {bar.left} left")
                said = time.monotonic()
            scalars = {"loss": report.loss, "learning_rate": report.learning_rate, "images_per_s": report.images_per_s}
            log.add(report.step, scalars | {f"accuracy/{name}": found for name, found in report.accuracies.items()})

        yield watch
