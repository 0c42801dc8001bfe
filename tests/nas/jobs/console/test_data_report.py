"""What is said of a data set."""

from __future__ import annotations

from io import StringIO

import pytest
import torch
from rich.console import Console

from nas.data.inputs import TensorInputs
from nas.data.splits import DataSplits, Split
from nas.data.survey.survey import Outputs, Survey
from nas.jobs.console.data_report import say_inputs, show_survey, show_texts
from nas.jobs.console.reporter import Reporter

STRANGE = "[/red]\x1b[2J\x07é"
ESCAPED = "[/red]\\x1b[2J\\x07é"


def test_a_terminal_obeys_neither_names_nor_texts_of_a_data_set() -> None:
    shown = StringIO()
    reporter = Reporter(Console(file=shown, width=120))
    splits = {name: Outputs(3, (2, 1)) for name in ("train", "validation", "test")}
    one = (8, 8)
    show_survey(Survey((STRANGE, "cat"), splits, one, one, one, 1, 0, {f"PNG {STRANGE}": 9}, {}), reporter)
    show_texts([(STRANGE, f"say {STRANGE}")], reporter)
    assert "\x1b" not in shown.getvalue()
    assert "\x07" not in shown.getvalue()
    for cell in (ESCAPED, f"PNG {ESCAPED}", f"say {ESCAPED}"):
        assert cell in shown.getvalue()


class _Blocks(TensorInputs):
    """Inputs of which twenty are read together."""

    @property
    def blocks(self) -> torch.Tensor:
        return torch.arange(len(self)) // 20


@pytest.mark.parametrize(("labels", "said"), [(torch.arange(200) // 20, True), (torch.arange(200) % 10, False)])
def test_files_that_are_sorted_by_class_are_said(labels: torch.Tensor, said: bool) -> None:
    shown, images = StringIO(), torch.randint(0, 256, (200, 1, 8, 8), dtype=torch.uint8)
    train, names = Split(_Blocks(images), labels), tuple(map(str, range(10)))
    say_inputs(DataSplits(train, train, train, names), Reporter(Console(file=shown, width=300)))
    expected = "the files are sorted by label: rows that a training reads in random order together are of about 1 kinds"
    assert (expected in shown.getvalue()) == said
    assert shown.getvalue().count("\n") == said
