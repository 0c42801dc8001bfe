"""What of this machine goes along with a job to a cluster, and what the job calls it there."""

from __future__ import annotations

from pathlib import Path

from nas.data.sources import EMBEDDED
from nas.jobs.files.job import Job
from nas.jobs.files.section import Section

_OURS = ("nas", "search_spaces", "predictors", "hardware", "results")  # packages, which are there already


def ship(job: Job, ship_data: bool) -> tuple[Job, tuple[str, ...]]:
    """The job as it is read on the cluster, and the local files and folders that are sent along.

    These are a given table, the weights of a given network, its configuration, and the module of the current folder
    that makes it, but not what else of the current folder that module imports. They lie side by side there, where the
    job is carried out.

    Args:
        job: As it is read here.
        ship_data: Whether the data are sent along; else the cluster must have them at the same path.

    Raises:
        ValueError: If one of them is not there, or two have one name.
    """
    files: list[Path] = []
    sections: dict[str, Section] = {}

    def sent(name: str) -> str:
        files.append(Path(name).resolve())
        return files[-1].name

    if ship_data and job.data.source != EMBEDDED:
        sections["data"] = job.data.model_copy(update={"source": sent(job.data.source)})
    if job.device.table is not None:
        sections["device"] = job.device.model_copy(update={"table": sent(job.device.table)})
    space = job.space
    if space.weights is not None:
        space = space.model_copy(update={"weights": sent(space.weights)})
    source, _, name = (space.network or "").partition(":")
    if source == "transformers":
        space = space.model_copy(update={"network": f"transformers:{sent(name)}"})
    elif module := _local_module(source):
        sent(str(module))
    for file in files:
        if not file.exists():
            raise ValueError(f"{file} is to be sent to the cluster and is not there")
        if [other.name for other in files].count(file.name) > 1:
            raise ValueError(f"what is sent to the cluster must have names of its own, got {file.name} twice")
    return job.model_copy(update={**sections, "space": space}), tuple(map(str, files))


def _local_module(name: str) -> Path | None:
    """The file or folder of the current folder from which a module is imported; None if it is installed elsewhere."""
    top = name.split(".")[0]
    paths = [] if top in ("", "timm", *_OURS) else [Path.cwd() / f"{top}.py", Path.cwd() / top]
    return next((path for path in paths if path.exists()), None)
