"""The job that `nas compress` runs, as it follows from a job file: what it needs, and what it adds.

Independent of networks and of what was measured, so that a faulty job is told before it is sent to a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hardware.document import make_document
from nas.jobs.files.compression_section import FINETUNE, choose_repair
from nas.jobs.files.job import Job
from nas.jobs.files.space_section import STORED
from nas.search.searchers.allocation import Allocation

_SEARCHER, _SENSITIVITY = "allocation", "repaired_divergence"  # damage as it is in what is exported: after repair
_OBSERVER = "mse"  # by its ranges, outputs are closer to those of the network: `benchmarks/activation_ranges.py`
_STOP_GAIN = 0.005  # of the volume of a front: one that grows by less stands still
_FURTHER = 20  # evaluations behind the first design
_OF_SUPERNETS = ("searcher", "options", "quality", "warm_start")  # keys of the section search


def check_compression(job: Job, preset: str | None, key: str | None) -> str:
    """Makes sure, by the job file alone, that `nas compress` can run a job.

    Args:
        job: The job.
        preset: `light`, `full` or `finetune`; None if none is named.
        key: First digits of the key of a candidate of the job's supernet; None compresses the given network.

    Returns:
        The recipe by which networks are repaired where the job states none.

    Raises:
        ValueError: If the preset is unknown, the job states another recipe or has no samples to train on, it has no
            given network and no candidate is named, or has both, or what is added does not suit it.
    """
    repair = choose_repair(job.compression, preset)
    if preset == FINETUNE:
        check_tuning_data(job)
    check_given(job, key, "nas compress")
    # any path will do: it is not read before the job runs
    add_defaults(job if key is None else replace_supernet(job, key), repair)
    return repair


def check_tuning_data(job: Job) -> None:
    """Makes sure that a job has samples to train on.

    Args:
        job: The job.

    Raises:
        ValueError: If it has none.
    """
    if not job.has_data:
        raise ValueError("fine-tuning needs training samples, labelled or not, and this job has no section data")


def check_features(job: Job, given: bool) -> None:
    """Makes sure that features of what a job compresses are to be compared with those of a given network.

    Args:
        job: The job.
        given: Whether its network is given; a candidate of a supernet learns from the largest network.

    Raises:
        ValueError: If there is none, or channels of its features are rescaled.
    """
    if not given:
        raise ValueError(
            "feature distillation compares features with those of a given network, got a supernet; leave it out"
        )
    if job.compression.equalization is not None:
        raise ValueError(
            "feature distillation compares features in the scale of the given network, and compression.equalization "
            f"of this job rescales them, by {job.compression.equalization}; leave one of them out"
        )


def check_given(job: Job, key: str | None, command: str) -> None:
    """Makes sure that it is known which trained network a command is for.

    Args:
        job: The job.
        key: First digits of the key of a candidate of the job's supernet; None stands for the given network.
        command: The command, such as `nas compress`.

    Raises:
        ValueError: If the job has no given network and no candidate is named, or has both.
    """
    if key is None and job.space.network is None:
        raise ValueError(
            f"{command} is for a trained network, and the job names none; state space.network, or name a candidate "
            "of the job's supernet by --candidate"
        )
    if key is not None and job.space.network is not None:
        raise ValueError("--candidate names a network of a supernet; space.network of the job is a given one")


def replace_supernet(job: Job, path: str) -> Job:
    """The job with a stored candidate as the given network, and without what only supernets need.

    Args:
        job: The job of the supernet.
        path: The file of the candidate's network.

    Raises:
        ValueError: If what is left of the job does not suit a given network.
    """
    document = job.model_dump(exclude_unset=True, exclude={"training", "fit"})
    document["space"] = {"network": f"{STORED}:{path}"} | {
        name: value for name, value in document["space"].items() if name in ("policies", "policies_for")
    }
    search = document.get("search", {})
    document["search"] = {name: value for name, value in search.items() if name not in _OF_SUPERNETS}
    return make_document(document, Job)


def add_defaults(job: Job, repair: str) -> Job:
    """The job with what `nas compress` does where it says nothing: a search by sensitivity, ranges, and a repair.

    The search ends once its front stands still, and where the job states no evaluations, soon after its first design.

    Args:
        job: The job, which has a given network.
        repair: The recipe by which networks are repaired.

    Raises:
        ValueError: If what is added does not suit the job.
    """
    compression = {"repair": repair, "observer": _OBSERVER}
    defaults: dict[str, dict[str, Any]] = {"search": {"searcher": _SEARCHER}, "compression": compression}
    found = take_defaults(job, defaults)
    method = found.search.method()
    if not isinstance(method, Allocation):
        return found
    uniform = len(found.space.policy_space().all_policies)
    defaults["search"] |= {
        "evaluations": uniform + method.initial_design + _FURTHER,
        "stop": {"gain": _STOP_GAIN},
    }
    if found.compression.repair is not None:
        defaults["search"]["options"] = {"sensitivity": _SENSITIVITY}
    return take_defaults(job, defaults)


def list_added(given: Job, job: Job) -> dict[str, str]:
    """What defaults have added to a job, by the name of the key.

    Args:
        given: The job as it was.
        job: The same with the defaults.
    """
    pairs = {
        "search.searcher": (given.search.searcher, job.search.searcher),
        "search.options.sensitivity": tuple(one.search.options.get("sensitivity") for one in (given, job)),
        "search.evaluations": (given.search.evaluations, job.search.evaluations),
        "search.stop.gain": (given.search.stop_gain, job.search.stop_gain),
        "compression.repair": (given.compression.repair, job.compression.repair),
        "compression.observer": (given.compression.observer, job.compression.observer),
    }
    return {name: str(after) for name, (before, after) in pairs.items() if before != after}


def take_defaults(job: Job, defaults: Mapping[str, Mapping[str, Any]]) -> Job:
    """The same job with other values of keys that it does not state.

    Args:
        job: The job.
        defaults: Values by section and key.

    Raises:
        ValueError: If a value does not suit the job.
    """
    return make_document(_merge(defaults, job.model_dump(exclude_unset=True)), Job)


def _merge(defaults: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    """What is stated, and defaults for the rest, section by section."""
    sections = {
        name: _merge(value, stated[name])
        for name, value in defaults.items()
        if isinstance(value, Mapping) and isinstance(stated.get(name), Mapping)
    }
    return {**defaults, **stated, **sections}
