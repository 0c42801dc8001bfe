"""The end of a search is said in one line: that nothing is left, or what going on would bring."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from nas.jobs.console.reporter import Reporter
from nas.jobs.console.search_progress import say_end
from nas.search.protocol.outlook import Outlook
from nas.search.runner.failures import FailedCandidate
from nas.search.runner.search_plan import SearchResult
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

OUTLOOK = Outlook(50, 0.01, 0.005, 0.02)
LEFT = "search   50 more evaluations would add 1.0% to the volume of the front (0.5% to 2.0%); to go on, raise"
NOTHING_LEFT = "search   the space has only 6 candidates; all are evaluated, with 4 of 200 evaluations"


@pytest.mark.parametrize(
    ("outlook", "exhausted", "said"),
    [(OUTLOOK, False, LEFT), (None, False, ""), (None, True, NOTHING_LEFT), (OUTLOOK, True, NOTHING_LEFT)],
)
def test_the_end_is_said_once(outlook: Outlook | None, exhausted: bool, said: str) -> None:
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10))
    population = space.sample(np.random.default_rng(0), 3)
    failed = (FailedCandidate("0a", "out of memory"),)
    shown = io.StringIO()
    result = SearchResult(population, np.zeros((3, 1)), outlook, failed, exhausted)
    say_end(Reporter(Console(file=shown, width=200)), result, known=2, evaluations=200)
    assert shown.getvalue().startswith(said)
    assert shown.getvalue().count("\n") == bool(said)


def test_what_the_searcher_left_out_is_said() -> None:
    space, shown = JointSpace(create_space("mobilenet_v3_digits", 1, 10)), io.StringIO()
    result = SearchResult(space.sample(np.random.default_rng(0), 3), np.zeros((3, 1)), notes=("one is left out",))
    say_end(Reporter(Console(file=shown, width=200)), result, known=0, evaluations=3)
    assert shown.getvalue() == "search   one is left out\n"
