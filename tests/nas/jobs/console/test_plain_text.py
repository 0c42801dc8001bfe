from __future__ import annotations

import io

from rich.console import Console

from nas.jobs.console.plain_text import plain
from nas.jobs.console.reporter import Reporter

STRANGE = "[red]a[/blue] :smile: \x1b[31m"


def test_what_was_stored_is_shown_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(plain(f"{STRANGE}\nb"))
    Reporter(console).say(f"{STRANGE}\nb")
    with Reporter(console).bar("title", 2) as bar:
        bar.advance(1, STRANGE)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.startswith("[red]a[/blue] :smile: \\x1b[31m\\nb\n[red]a[/blue] :smile: \\x1b[31m\nb\n")
    assert shown.count("[red]a[/blue]") == 3
    assert "\x1b" not in shown
