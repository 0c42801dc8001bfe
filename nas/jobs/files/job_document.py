"""The job that a run keeps in the results database, so that its networks can be made again from there.

It names a given network by the file in which the job has stored it, and so neither code nor weights. Other code, such
as a loss of one's own, is not run from what a database says: that takes the job file of somebody who trusts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.data.reading import EMBEDDED
from nas.jobs.files.job import Job
from nas.jobs.files.job_paths import list_code, replace_paths
from nas.jobs.files.section import check_section
from nas.jobs.files.space_section import STORED
from search_spaces.quoting import quote

_FORMAT = 1  # to be raised when what is kept would be misread


@dataclass(frozen=True)
class RestoredJob:
    """A job that a run has kept.

    Attributes:
        job: The job, whose given network is named by its file.
        network: The name that the given network has in candidates; None if the job trains a supernet.
    """

    job: Job
    network: str | None


def keep_job(job: Job, network: tuple[Path, str] | None) -> dict[str, Any]:
    """The job as its runs keep it, JSON values; paths are from the root.

    Args:
        job: The job as it is carried out.
        network: Where its given network is stored, or will be, and its name in candidates; None if the job trains a
            supernet.
    """
    document = replace_paths(job, {"data": _from_root, "file": _from_root, "code": lambda _, value: value})
    if network is None:
        return {"format": _FORMAT, "job": document}
    path, given = network
    space = {name: value for name, value in document["space"].items() if name not in ("weights", "inputs")}
    document["space"] = space | {"network": f"{STORED}:{path.absolute()}"}
    return {"format": _FORMAT, "job": document, "network": given}


def restore_job(kept: Mapping[str, Any], runs: Path, where: str) -> RestoredJob:
    """The job that a run has kept.

    Args:
        kept: What `keep_job` gave.
        runs: Folder of all runs, in which the network of the job is looked for if it is not where it was.
        where: Name of the run, for messages.

    Raises:
        ValueError: If it has kept none, it is damaged or of a newer version, or it names code.
    """
    if not kept:
        raise ValueError(
            f"run {quote(where)} is of a version of nas whose runs kept no job; name its job file by --job FILE"
        )
    document = kept.get("job")
    if kept.get("format") != _FORMAT or not isinstance(document, dict):
        raise ValueError(
            f"run {quote(where)} must have kept a job of format {_FORMAT}, got format {quote(kept.get('format'))}; "
            "name its job file by --job FILE"
        )
    if code := next(list_code(document), None):
        key, value = code
        raise ValueError(
            f"run {quote(where)} was made with code, {key}: {quote(value)}, which is only run by a job file; name it "
            "by --job FILE"
        )
    job, name = check_section(document, Job, f"the job of run {quote(where)}"), kept.get("network")
    stored = job.space.stored
    if stored is None:
        return RestoredJob(job, None)
    if not isinstance(name, str):
        raise ValueError(f"run {quote(where)} must have kept the name of its network, got {quote(name)}")
    moved = runs / job.name / stored.parent.name / stored.name
    if not stored.exists() and moved.exists():
        space = job.space.model_copy(update={"network": f"{STORED}:{moved}"})
        job = job.model_copy(update={"space": space})
    return RestoredJob(job, name)


def _from_root(_key: str, value: str) -> str:
    return value if value == EMBEDDED else str(Path(value).absolute())
