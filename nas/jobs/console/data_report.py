"""Says what a data set holds: two lines at the start of every command, and all of it by `nas data`."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from nas.data.normalization import Normalization
from nas.data.survey.survey import Survey
from nas.jobs.console.reporter import Reporter

_MOST_CLASSES = 200  # rows of the table of classes


def say_survey(survey: Survey, reporter: Reporter) -> None:
    """Says in two lines what was read, and in one line each what may be wrong.

    Args:
        survey: What the data set holds.
        reporter: Where it is said.
    """
    reporter.say(f"data     {survey.describe_samples()}")
    reporter.say(f"data     {survey.describe_inputs()}")
    for line in survey.warnings:
        reporter.say(f"data     look at this: {line}")


def say_constant_channels(normalization: Normalization, reporter: Reporter) -> None:
    """Says which channels are the same in all pixels of the training images.

    Args:
        normalization: The normalisation that was computed from them.
        reporter: Where it is said.
    """
    constant = [number for number, found in enumerate(normalization.constant) if found]
    if constant:
        channels = " and ".join(map(str, constant))
        reporter.say(f"data     look at this: channel {channels} never changes, so nothing can be learnt from it")


def show_survey(survey: Survey, reporter: Reporter) -> None:
    """Prints the samples of each class and split, or the ranges of the outputs, and all modes.

    Args:
        survey: What the data set holds.
        reporter: Where it is shown.
    """
    splits = survey.splits
    ranged = any(outputs.ranges for outputs in splits.values())
    table = Table(
        "output" if ranged else "class", *(f"{name}" for name in splits), title="least, mean, most" if ranged else None
    )
    for number, name in enumerate(survey.names[:_MOST_CLASSES]):
        cells = []
        for outputs in splits.values():
            if outputs.ranges:
                cells.append(", ".join(f"{value:.4g}" for value in outputs.ranges[number]))
            else:
                cells.append(f"{outputs.counts[number]:,}" if outputs.counts else "0")
        table.add_row(escape(name), *cells)
    table.add_row("samples", *(f"{outputs.samples:,}" for outputs in splits.values()), style="bold")
    reporter.console.print(table)
    if len(survey.names) > _MOST_CLASSES:
        reporter.say(f"and {len(survey.names) - _MOST_CLASSES:,} more")
    kinds = Table("stored as", "samples")
    for kind, count in survey.kinds.items():
        kinds.add_row(escape(kind), f"{count:,}")
    reporter.console.print(kinds)
