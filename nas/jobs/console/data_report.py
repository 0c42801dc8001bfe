"""Says what a data set holds: two lines at the start of every command, and all of it by `nas data`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from nas.data.order import compare_mixing
from nas.data.splits import DataSplits
from nas.data.survey.survey import Survey
from nas.data.tokens import Tokens
from nas.jobs.console.plain_text import plain
from nas.jobs.console.reporter import Reporter

_MOST_TEXTS = 2000  # whose lengths are looked at
_MOST_ALIKE = 2.0  # times as often as any two samples, two that are read together may have equal labels
_MANY = 0.01  # share of texts that fill all tokens: of fewer nothing is said
_MOST_SHOWN = 200  # characters of a text
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


def say_inputs(data: DataSplits, reporter: Reporter) -> None:
    """Says which channels are the same in all pixels, that few classes are mixed, or that texts are cut.

    Args:
        data: The samples.
        reporter: Where it is said.
    """
    if data.stated is None:  # and so the normalisation was computed
        constant = [str(number) for number, found in enumerate(data.normalization.constant) if found]
        if constant:
            channels = f"channel{'s' if len(constant) > 1 else ''} {' and '.join(constant)}"
            reporter.say(f"data     look at this: {channels} never change, so nothing can be learnt from them")
    strata = data.task.find_strata(data.train.labels) if data.labelled else data.train.labels.new_zeros(len(data.train))
    mixed, overall = compare_mixing(data.train.inputs, strata.long())
    if mixed > _MOST_ALIKE * overall:
        reporter.say(
            "data     look at this: the files are sorted by label: rows that a training reads in random order together "
            f"are of about {1 / mixed:,.0f} kinds of labels, all rows of {1 / overall:,.0f}; shuffle the rows before "
            "they are written, or write smaller row groups"
        )
    if isinstance(data.transform, Tokens):
        tokens = data.train.take(slice(0, _MOST_TEXTS)).images
        full = float((tokens != data.transform.pad).all(1).double().mean())
        if full >= _MANY:
            reporter.say(
                f"data     look at this: {full:.0%} of texts fill all {data.transform.length} tokens, longer ones are "
                "cut (data.length)"
            )


def show_texts(examples: Sequence[tuple[str, str]], reporter: Reporter) -> None:
    """Prints texts beside the names of their classes.

    Args:
        examples: Names and texts.
        reporter: Where they are shown.
    """
    table = Table("class", "text")
    for name, text in examples:
        table.add_row(plain(name), plain(text[:_MOST_SHOWN]))
    reporter.console.print(table)


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
        table.add_row(plain(name), *cells)
    table.add_row("samples", *(f"{outputs.samples:,}" for outputs in splits.values()), style="bold")
    reporter.console.print(table)
    if len(survey.names) > _MOST_CLASSES:
        reporter.say(f"and {len(survey.names) - _MOST_CLASSES:,} more")
    kinds = Table("stored as", "samples")
    for kind, count in survey.kinds.items():
        kinds.add_row(plain(kind), f"{count:,}")
    reporter.console.print(kinds)
