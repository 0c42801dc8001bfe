"""The files of this machine that a job needs on a cluster, and their names there."""

from __future__ import annotations

from pathlib import Path

from nas.data.reading import EMBEDDED
from nas.jobs.files.job import Job
from nas.jobs.files.section import Section

_OURS = ("nas", "search_spaces", "predictors", "hardware", "results")  # packages that the cluster has installed


def ship(job: Job, ship_data: bool) -> tuple[Job, tuple[str, ...]]:
    """Lists the local files and folders that are sent along with a job, and adapts the job to their names there.

    They are a given latency table, and of a given network its weights, its configuration and the module of the current
    folder that creates it; other modules that this one imports are not sent. On the cluster all of them lie in the
    working folder of the job.

    Args:
        job: The job as it is read here.
        ship_data: Whether the images are sent along; else the cluster must have them at the same path.

    Returns:
        The job as it is read on the cluster, and the paths of the files and folders.

    Raises:
        ValueError: If a file is missing, or two have the same name.
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
    """The file or subfolder of the current folder that contains a module; None if the module is not there."""
    top = name.split(".")[0]
    paths = [] if top in ("", "timm", *_OURS) else [Path.cwd() / f"{top}.py", Path.cwd() / top]
    return next((path for path in paths if path.exists()), None)
