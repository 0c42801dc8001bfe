"""The `nas` program: its commands, and how it ends when one fails.

Wrong arguments, and every ValueError and OSError, end it with one line on standard error and exit code 2; any other
exception is a fault of the program and shows its traceback. Heavy libraries are imported by the commands that need
them, so that `--help` is quick.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from hardware.usable_cpus import bound_threads
from nas.cli import cluster, compare, jobs, results, tables

_UsageError: Any = typer.BadParameter.__base__  # of click or, in newer releases, of typer's own copy of it

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=("Search neural architectures together with per-layer bit-widths, on measured latency; export to ONNX."),
)
jobs.register(app)
compare.register(app)
cluster.register(app)
app.add_typer(results.app, name="results")
app.add_typer(tables.app, name="tables")


def main() -> None:
    """Runs the program; with NAS_DEBUG=1 a ValueError or OSError shows its traceback, too."""
    bound_threads()
    try:
        sys.exit(app(prog_name="nas", standalone_mode=False))
    except _UsageError as error:
        if error.format_message():  # else no arguments were given, and the help is printed already
            print(f"nas: {_usage(error)}", file=sys.stderr)
        sys.exit(2)
    except (ValueError, OSError) as error:
        if os.environ.get("NAS_DEBUG"):
            raise
        print(f"nas: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)


def _usage(error: Any) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    help_of = f"; see: {error.ctx.command_path} --help" if error.ctx else ""
    return f"{message[0].lower()}{message[1:]}{help_of}"


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; put that right and start the same command again"
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    main()
