"""Commands take the fields of a value as their arguments and options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from nas.cli.options import takes


@dataclass(frozen=True, kw_only=True)
class Common:
    job: Annotated[str, typer.Argument(metavar="JOB")]
    quietly: Annotated[bool, typer.Option("--quietly")] = False


@dataclass(frozen=True, kw_only=True)
class Greeting(Common):
    """What is greeted."""

    times: Annotated[int, typer.Option(min=1, help="How often.")] = 1


app = typer.Typer()
given: list[Greeting] = []


@app.command()
@takes(Greeting)
def greet(options: Greeting) -> None:
    """Greets a job."""
    given.append(options)


def test_a_command_is_given_a_value() -> None:
    found = CliRunner().invoke(app, ["digits", "--times", "3", "--quietly"])
    assert found.exit_code == 0, found.output
    assert given == [Greeting(job="digits", quietly=True, times=3)]
    assert CliRunner().invoke(app, ["digits", "--times", "0"]).exit_code == 2


def test_its_help_is_that_of_the_fields() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    assert all(word in text for word in ("Greets a job.", "JOB", "--times", "How often.", "--quietly"))
