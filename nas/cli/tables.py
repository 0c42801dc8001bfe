"""Commands on latency tables: `tables import`, `tables estimate`, `tables show` and `tables transfer`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.options import takes

app = typer.Typer(no_args_is_help=True, help="Read and import latency tables.")


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """The arguments and options of `nas tables import`."""

    form: Annotated[
        str, typer.Argument(metavar="FORMAT", help="Format of the file; a wrong name lists the known ones.")
    ]
    file: Annotated[Path, typer.Argument(help="The published file.")]
    output: Annotated[Path, typer.Argument(help="Where the table goes; a new Parquet file.")]
    peak_gops: Annotated[
        float | None,
        typer.Option(help="Billions of operations per second that the device cannot exceed; checks units."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class EstimateOptions:
    """The arguments and options of `nas tables estimate`."""

    device: Annotated[Path, typer.Argument(help="Description of the device (YAML).")]
    space: Annotated[str, typer.Argument(help="Search space whose layers get a cost.")]
    output: Annotated[Path, typer.Argument(help="Where the table goes; a new Parquet file.")]
    channels: Annotated[int, typer.Option(min=1, max=1024, help="Channels of the images.")] = 3
    classes: Annotated[int, typer.Option(min=2, max=1_000_000, help="Classes of the images.")] = 10


@dataclass(frozen=True, kw_only=True)
class TransferOptions:
    """The arguments and options of `nas tables transfer`.

    Raises:
        ValueError: If one of --measured and --output is given without the other.
    """

    known: Annotated[Path, typer.Argument(help="Latencies of networks on known devices (CSV).")]
    features: Annotated[Path, typer.Argument(help="Features of these networks (CSV).")]
    measured: Annotated[Path | None, typer.Option(help="Latencies measured on the new device so far (CSV).")] = None
    output: Annotated[Path | None, typer.Option(help="Where the predictions go; a new CSV file.")] = None
    probes: Annotated[int, typer.Option(min=1, max=200, help="How many networks to name to be measured next.")] = 10

    def __post_init__(self) -> None:
        if (self.measured is None) != (self.output is None):
            raise ValueError("--measured and --output are given together: predictions need measurements")


@app.command("import")
@takes(ImportOptions)
def import_(options: ImportOptions) -> None:
    """Convert a published latency table into one of this program."""
    from hardware.importers.registry import import_table
    from hardware.tables.plausibility import check_plausible
    from hardware.tables.table_file import save_table

    _must_be_new(options.output)
    table = import_table(options.form, options.file)
    check_plausible(table, options.peak_gops)
    save_table(table, options.output)
    show(options.output)


@app.command()
@takes(EstimateOptions)
def estimate(options: EstimateOptions) -> None:
    """Estimate the latency table of a device that cannot be measured, by a roofline model."""
    from hardware.tables.table_file import save_table
    from nas.jobs.files.roofline_file import load_roofline
    from search_spaces.joint_space import JointSpace
    from search_spaces.presets import create_space

    _must_be_new(options.output)
    layers = JointSpace(create_space(options.space, options.channels, options.classes)).list_distinct_layers()
    save_table(load_roofline(options.device).table(layers), options.output)
    show(options.output)


@app.command()
def show(table: Annotated[Path, typer.Argument(help="Latency table (Parquet).")]) -> None:
    """Show the origin of a table, its entries, and its error on whole networks."""
    from hardware.tables.table_file import is_sealed, load_table
    from nas.cli.console import open_console
    from nas.jobs.console.reporter import Reporter
    from nas.jobs.console.table_summary import describe_table

    for line in describe_table(load_table(table), is_sealed(table)):
        Reporter(open_console()).say(line)


@app.command()
@takes(TransferOptions)
def transfer(options: TransferOptions) -> None:
    """Name the networks to measure on a new device, and predict the latencies of all from those measured."""
    from nas.jobs.files.transfer_files import TransferFiles

    measured, output = options.measured, options.output
    files = TransferFiles(options.known, options.features)
    if measured is not None and output is not None:
        _must_be_new(output)
        files.predict(measured, output)
    typer.echo("\n".join(files.choose_probes(options.probes, measured)))


def _must_be_new(output: Path) -> None:
    """Refuses, before the work, a file that is there already, or whose folder is not: a typing error makes none."""
    if output.exists():
        raise ValueError(f"{output} exists already; name a new file")
    if not output.parent.is_dir():
        raise ValueError(f"the folder of {output} is not there; make it, or name a file in another one")
