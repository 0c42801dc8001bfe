"""The job that a run keeps in the results database, so that its networks can be made again from there.

It names a given network by the file in which the job has stored it, and so neither code nor weights. Other code, such
as a loss of one's own, is not run from what a database says: that takes the job file of somebody who trusts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.data.reading import EMBEDDED
from nas.jobs.files.job import Job
from nas.jobs.files.job_paths import list_code, replace_paths
from nas.jobs.files.section import check_section
from nas.jobs.files.space_section import STORED
from search_spaces.quoting import quote

_FORMAT = 1  # to be raised when what is kept would be misread


def keep_job(job: Job, network: Path | None) -> dict[str, Any]:
    """The job as its runs keep it, JSON values; paths are from the root.

    Args:
        job: The job as it is carried out.
        network: Where its given network is stored, or will be; None if the job trains a supernet.
    """
    document = replace_paths(job, {"data": _from_root, "file": _from_root, "code": lambda _, value: value})
    if network is not None:
        space = {name: value for name, value in document["space"].items() if name not in ("weights", "inputs")}
        document["space"] = space | {"network": f"{STORED}:{network.absolute()}"}
    return {"format": _FORMAT, "job": document}


def restore_job(kept: Mapping[str, Any], runs: Path, where: str) -> Job:
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
    job = check_section(document, Job, f"the job of run {quote(where)}")
    stored = job.space.stored
    if stored is None or stored.exists():
        return job
    moved = runs / job.name / stored.parent.name / stored.name
    space = job.space.model_copy(update={"network": f"{STORED}:{moved}"}) if moved.exists() else job.space
    return job.model_copy(update={"space": space})


def _from_root(_key: str, value: str) -> str:
    return value if value == EMBEDDED else str(Path(value).absolute())
