"""The command on an exported file alone: `verify`. It needs neither the engine nor torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nas.verification.check import Check

FAILED = 1  # the exit code where a check failed


class Runtime(StrEnum):
    """What a file is run in; always in onnxruntime."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("verify", help="Check an exported file by the manifest beside it; needs onnxruntime and numpy only.")(
        _verify
    )


def _verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The ONNX file; its manifest is FILE with .json.")],
    runtime: Annotated[
        Runtime, typer.Option(help="openvino: run it in OpenVINO, too, which must be installed.")
    ] = Runtime.ONNXRUNTIME,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    from nas.verification.check import find_failure
    from nas.verification.checks import verify_file
    from nas.verification.structure import CONTENT

    checks = verify_file(file, in_openvino=runtime is Runtime.OPENVINO)
    if as_json:
        found = [{**asdict(check), "outcome": check.outcome} for check in checks]
        typer.echo(json.dumps({"file": str(file), "checks": found}))
    else:
        _print(file, checks)
    failed = find_failure(checks)
    if failed is not None and failed.name == CONTENT:
        raise ValueError(f"{file} is not the file of its manifest: {failed.detail}; export the network again")
    raise typer.Exit(0 if failed is None else FAILED)


def _print(file: Path, checks: list[Check]) -> None:
    from rich.table import Table

    from nas.cli.console import open_console
    from nas.jobs.console.plain_text import plain

    table = Table(title=plain(str(file)), box=None)
    for name in ("check", "outcome", "found"):
        table.add_column(name, overflow="fold")
    for check in checks:
        table.add_row(*map(plain, (check.name, check.outcome, check.detail)))
    open_console().print(table)
