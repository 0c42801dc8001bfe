"""Commands on latency tables: `tables import` and `tables show`.

In: files. Out: a table in the format of this program, and what one holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Read and import latency tables.")

Table = Annotated[Path, typer.Argument(help="Latency table (Parquet).")]


@app.command("import")
def import_(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="once_for_all, haq, apq or hawq.")],
    file: Annotated[Path, typer.Argument(help="The published file.")],
    output: Annotated[Path, typer.Argument(help="Where the table goes; a new Parquet file.")],
) -> None:
    """Make a latency table of one that others published."""
    from hardware.importers.registry import import_table
    from hardware.table_file import save_table

    if output.exists():
        raise ValueError(f"{output} exists already; name a new file")
    table = import_table(form, file)
    save_table(table, output)
    show(output)


@app.command()
def show(table: Table) -> None:
    """Show where a table comes from, what it holds and how well it tells whole networks."""
    from hardware.table_file import load_table
    from nas.cli.console import open_console
    from nas.jobs.table_summary import described

    for line in described(load_table(table)):
        open_console().print(line, highlight=False, markup=False, soft_wrap=True)
