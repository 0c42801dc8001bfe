"""`nas compress`: the job of a trained network, or of a candidate of a supernet, with defaults of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hardware.document import make_document
from nas.jobs.files.job import Job
from nas.jobs.files.space_section import STORED
from nas.jobs.run import finetune_job, run_job
from nas.jobs.stages.candidate_network import find_candidate, store_candidate
from nas.jobs.workspace import Workspace

FINETUNE = "finetune"
_OF_SUPERNETS = ("searcher", "options", "quality", "warm_start")  # keys of the section search


def compress_job(workspace: Workspace, preset: str | None = None, key: str | None = None) -> None:
    """Runs all stages of a job with a given network, searched by its sensitivity and repaired unless the job says else.

    Args:
        workspace: The job.
        preset: The recipe by which networks are repaired, `light` or `full`; or `finetune`, which repairs as `light`
            does and then trains what is exported as `nas finetune` does. None is the recipe of the job, or `light`.
        key: First digits of the key of a candidate of the job's trained supernet, which then is the network. What the
            job says of the search of the supernet does not count: it is searched by its sensitivity.

    Raises:
        ValueError: If the job has no given network and no candidate is named, or has both; if the job states another
            recipe than the preset; as `find_candidate` and `store_candidate` describe.
    """
    repair = "light" if preset in (None, FINETUNE) else preset
    stated = workspace.job.compression.repair
    if preset is not None and stated not in (None, repair):
        raise ValueError(
            f"--preset {preset} repairs by {repair}, and the job states compression.repair: {stated}; take one"
        )
    if key is None and workspace.network is None:
        raise ValueError(
            "nas compress is for a trained network, and the job names none; state space.network, or name a candidate "
            "of the job's supernet by --candidate"
        )
    given = workspace.job if key is None else _give_candidate(workspace, key)
    job = _take_defaults(given, {"search": {"searcher": "allocation"}, "compression": {"repair": repair}})
    if job != given and key is None:
        workspace.reporter.say(
            f"compress search.searcher: allocation and compression.repair: {repair}, where the job says nothing; state "
            "them for nas search or nas export"
        )
    with replace(workspace, job=job) as compressing:
        exported = run_job(compressing)
        if preset == FINETUNE:
            for found in exported.networks["key"].unique():
                finetune_job(compressing, found)


def _give_candidate(workspace: Workspace, key: str) -> Job:
    """The job with a candidate of its supernet as the given network, and without what only supernets need."""
    if workspace.network is not None:
        raise ValueError("--candidate names a network of a supernet; space.network of the job is a given one")
    candidate = find_candidate(workspace.database, key, workspace.trained_space, workspace.job.name)
    path = store_candidate(candidate, workspace.subject, workspace.execution)
    document = workspace.job.model_dump(exclude_unset=True, exclude={"training", "fit"})
    document["space"] = {"network": f"{STORED}:{path}"} | {
        name: value for name, value in document["space"].items() if name in ("policies", "policies_for")
    }
    search = document.get("search", {})
    document["search"] = {name: value for name, value in search.items() if name not in _OF_SUPERNETS}
    return make_document(document, Job)


def _take_defaults(job: Job, defaults: Mapping[str, Mapping[str, Any]]) -> Job:
    """The same job with other values of keys that it does not state.

    Args:
        job: The job.
        defaults: Values by section and key.

    Raises:
        ValueError: If a value does not suit the job.
    """
    document = job.model_dump(exclude_unset=True)
    return make_document(document | {name: {**one, **document.get(name, {})} for name, one in defaults.items()}, Job)
