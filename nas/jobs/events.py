"""What a training shows while it runs: a bar, and an event log that TensorBoard reads.

In: reports of steps. Out: text on a console, and files in a folder. Knows no network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tensorboardX import SummaryWriter

from nas.jobs.reporter import Reporter
from nas.training.settings import Report, Watch


@contextmanager
def following(reporter: Reporter, title: str, folder: Path) -> Iterator[Watch]:
    """Gives what watches a training while a block runs.

    Args:
        reporter: Shows loss, accuracies, images per second and the time left.
        title: Of the bar.
        folder: Receives the event log.
    """
    latest: dict[str, float] = {}

    with reporter.bar(title, total=None) as bar, SummaryWriter(str(folder / "events")) as writer:

        def watch(report: Report) -> None:
            latest.update(report.accuracies)
            accuracies = "".join(f", {name} {percent:.1f} %" for name, percent in latest.items())
            note = f"{report.phase}: loss {report.loss:.3f}, {report.images_per_s:.0f} images/s{accuracies}"
            bar.reach(report.step, note, report.steps)
            scalars = {"loss": report.loss, "learning_rate": report.learning_rate, "images_per_s": report.images_per_s}
            scalars |= {f"accuracy/{name}": percent for name, percent in report.accuracies.items()}
            for name, value in scalars.items():
                writer.add_scalar(name, value, report.step)

        yield watch
