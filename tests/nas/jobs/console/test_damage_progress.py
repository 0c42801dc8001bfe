"""What is seen of a measurement of damage where the output is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nas.jobs.console import damage_progress
from nas.jobs.console.damage_progress import follow_damage
from nas.jobs.console.reporter import Reporter


@pytest.mark.parametrize(("line_s", "lines"), [(0.0, 3), (60.0, 0)])
def test_lines_come_at_their_time(line_s: float, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damage_progress, "_LINE_S", line_s)
    output = io.StringIO()
    with follow_damage(Reporter(Console(file=output, force_terminal=False)), 3) as advance:
        for _ in range(3):
            advance()
    said = [line for line in output.getvalue().splitlines() if line.startswith("damage")]
    assert len(said) == lines
    assert all(" of 3 measured, " in line and line.endswith(" left") for line in said)
