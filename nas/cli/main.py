"""The `nas` program: its commands. `nas.cli.ending` says how it ends when one fails.

Heavy libraries are imported by the commands that need them, so that `--help` is quick.
"""

from __future__ import annotations

import sys

import typer

from hardware.usable_cpus import bound_threads
from nas.cli import cluster, compare, jobs, results, tables
from nas.cli.ending import ending

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
    """Runs the program; see `nas.cli.ending.ending` for how it ends."""
    bound_threads()
    command = typer.main.get_command(app)
    with ending(), command.make_context("nas", sys.argv[1:]) as context:
        command.invoke(context)


if __name__ == "__main__":
    main()
