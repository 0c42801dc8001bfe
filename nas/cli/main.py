"""The `nas` program: its commands. `nas.cli.ending` says how it ends when one fails.

Heavy libraries are imported by the commands that need them, so that `--help` is quick.
"""

from __future__ import annotations

import sys

import typer

from hardware.usable_cpus import bound_threads
from nas.cli import cluster, compare, jobs, results, tables, verify
from nas.cli.ending import ending

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search neural architectures with the compression of each layer, on measured latency; export to ONNX.",
)
jobs.register(app)
compare.register(app)
cluster.register(app)
verify.register(app)
app.add_typer(results.app, name="results")
app.add_typer(tables.app, name="tables")


def main() -> None:
    """Runs the program; see `nas.cli.ending.ending` for how it ends."""
    with ending():
        bound_threads()
        _check_given(sys.argv[1:])
        command = typer.main.get_command(app)
        with command.make_context("nas", sys.argv[1:]) as context:
            command.invoke(context)


def _check_given(arguments: list[str]) -> None:
    """Refuses empty arguments: an empty path would stand for the current folder, and no name is empty."""
    if any(not one or (one.startswith("--") and one.endswith("=")) for one in arguments):
        raise ValueError("an argument is empty, such as by a variable of the shell that is not set; give it a value")


if __name__ == "__main__":
    main()
