"""The display of a running training: a bar or lines, and an event log for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from nas.jobs.console.event_log import EventLog
from nas.jobs.console.reporter import Reporter
from nas.training.progress import StepCallback, StepReport
from results.metric import Metric

_LINE_S = 30.0  # time between two lines if the output is no terminal


@contextmanager
def follow_training(reporter: Reporter, title: str, folder: Path) -> Iterator[StepCallback]:
    """Gives a callback that shows the steps of a training while the block runs.

    If the output is no terminal, it prints a line after every measurement of subnets, and every half minute.

    Args:
        reporter: Shows loss, how good a few subnets are, images per second and the time left.
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
            latest.update(report.measured)
            shown = _show(report.metric, latest)
            position = f"step {report.step}/{report.steps} {report.phase}"
            note = f"{position}: loss {report.loss:.3f}, {report.images_per_s:.0f} images/s{shown}"
            bar.reach(report.passes, note, report.all_passes)
            for found in report.notes:
                reporter.say(f"{position}: {found}")
            if not reporter.console.is_terminal and (report.measured or time.monotonic() - said >= _LINE_S):
                reporter.say(f"{note}, {bar.left} left")
                said = time.monotonic()
            scalars = {"loss": report.loss, "learning_rate": report.learning_rate, "images_per_s": report.images_per_s}
            log.add(
                report.step,
                scalars | {f"{report.metric.name}/{name}": found for name, found in report.measured.items()},
            )

        yield watch


def _show(metric: Metric, measured: Mapping[str, float]) -> str:
    """What was measured of subnets, such as `, accuracy largest 81.0 %, smallest 74.2 %`; empty if nothing was."""
    if not measured:
        return ""
    percent = metric.unit == "%"
    values = (f"{name} {f'{value:.1f} %' if percent else metric.render(value)}" for name, value in measured.items())
    return f", {metric.name} {', '.join(values)}"
