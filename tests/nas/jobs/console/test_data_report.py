"""What is said of a data set."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from nas.data.survey.survey import Outputs, Survey
from nas.jobs.console.data_report import show_survey, show_texts
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
