"""`nas compress`: the job of a trained network, or of a candidate of a supernet, with defaults of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.jobs.files.compressed_job import (
    add_defaults,
    check_compression,
    check_given,
    list_added,
    replace_supernet,
    take_defaults,
)
from nas.jobs.files.compression_section import FINETUNE, LIGHT, CompressionSection
from nas.jobs.files.job import Job
from nas.jobs.run import finetune_job, run_job, train_job
from nas.jobs.stages.candidate_network import find_candidate, store_candidate
from nas.jobs.stages.metric_report import list_refusals, report_metrics
from nas.jobs.workspace import Workspace
from search_spaces.quoting import quote

_FOUND_BY = ("repair", "observer")  # keys of the section compression that `nas compress` adds


def compress_job(workspace: Workspace, preset: str | None = None, key: str | None = None) -> None:
    """Runs all stages of a job with a given network, searched by its sensitivity and repaired unless the job says else.

    Args:
        workspace: The job.
        preset: The recipe by which networks are repaired, `light` or `full`; or `finetune`, which repairs as `light`
            does and then trains what is exported. None is the recipe of the job, or `light`.
        key: First digits of the key of a candidate of the job's trained supernet, which then is the network. What the
            job says of the search of the supernet does not count: it is searched by its sensitivity.

    Raises:
        ValueError: As `check_compression` and `compressing` describe.
    """
    repair = check_compression(workspace.job, preset, key)
    with compressing(workspace, repair, key) as given:
        exported = run_job(given)
        if preset != FINETUNE:
            return
        keys = exported.networks["key"].unique()
        for count, found in enumerate(keys, start=1):
            given.reporter.say(f"finetune network {count} of {len(keys)}: {found}")
            finetune_job(given, found)


def finetune_found_job(
    workspace: Workspace,
    key: str,
    epochs: float,
    learning_rate: float | None = None,
    of: str | None = None,
    feature_distillation: float = 0.0,
) -> None:
    """Trains one candidate further that `nas run` or `nas compress` has found, with its bits, and exports it.

    Args:
        workspace: The job.
        key: First digits of the candidate's key.
        epochs: Number of passes over the training samples.
        learning_rate: As for `finetune_job`.
        of: First digits of the key of the candidate of the supernet that was compressed; None if none was.
        feature_distillation: As for `finetune_job`.

    Raises:
        ValueError: If the job does not state how candidates are repaired and ranges taken, and the candidate was found
            in no or in several ways; or as `finetune_job` and `compressing` describe.
    """
    if of is None and workspace.job.space.network is None:
        finetune_job(workspace, key, epochs, learning_rate, feature_distillation)
        return
    check_given(workspace.job, of, "nas finetune")
    job = workspace.job if of is None else _give_candidate(workspace, of)
    if unstated := [name for name in _FOUND_BY if name not in job.compression.model_fields_set]:
        found = _find_compression(workspace, key, unstated)
        job = take_defaults(job, {"compression": found})
        workspace.reporter.say(f"finetune starts from {_describe(found)}, by which it was found")
    with replace(workspace, job=job) as given:
        finetune_job(given, key, epochs, learning_rate, feature_distillation)


def _find_compression(workspace: Workspace, key: str, names: Sequence[str]) -> dict[str, object]:
    """How a candidate was repaired in the runs that found it, and ranges taken; those of the job count before others.

    Args:
        workspace: The job.
        key: First digits of the key of the candidate.
        names: Keys of the section compression that the job does not state.
    """
    database = workspace.database
    key = database.candidate(key).key
    rows = database.frame(key=key)
    records = [database.record(run) for run in rows["run"][rows["source"] != "finetuned"].unique()]
    records = [one for one in records if one.job == workspace.job.name] or records
    parts = [one.inputs.get("compression") for one in records]
    stated = [part if isinstance(part, Mapping) else {} for part in parts]
    # what has no key was not repaired, and has ranges of the section's default; see `CompressionSection.described`
    usual = CompressionSection().model_dump()
    found = [{name: part.get(name, usual[name]) for name in names} for part in stated]
    ways = {_describe(way): way for way in found}
    if len(ways) != 1:
        raise ValueError(
            f"candidate {key} must have been found by one {' and '.join(f'compression.{name}' for name in names)}, got "
            f"{' and '.join(sorted(ways)) or 'none'}; state in the job the one from which fine-tuning is to start"
        )
    (way,) = ways.values()
    return way


def _describe(compression: Mapping[str, object]) -> str:
    """Keys of the section compression with their values, in words."""
    return ", ".join(f"compression.{name}: {value or 'null'}" for name, value in compression.items())


def sensitivity_job(workspace: Workspace, names: Sequence[str] = (), key: str | None = None) -> Path:
    """Compares sensitivity metrics on the network of a job, which is measured and repaired as `nas compress` does it.

    Args:
        workspace: The job.
        names: Names of the metrics; none stands for all that are known.
        key: As for `compress_job`.

    Returns:
        The folder of the report, see `nas.jobs.stages.metric_report.report_metrics`.

    Raises:
        ValueError: If a name is unknown or named twice, or as `compressing` and `report_metrics` describe.
    """
    names = [SENSITIVITY_METRICS.check_name(name) for name in names] or [*SENSITIVITY_METRICS]
    if len(set(names)) < len(names):
        raise ValueError(f"--metrics must name each metric once, got {quote(','.join(names))}")
    with compressing(workspace, key=key, command="sensitivity") as given:
        train_job(given)  # only stores the network
        assert given.network is not None
        labelled = given.job.labelled and given.distilled is None
        refused = list_refusals(names, given.network, given.subject, labelled)
        return report_metrics(names, given.subject, given.execution, refused)


@contextmanager
def compressing(
    workspace: Workspace, repair: str = LIGHT, key: str | None = None, command: str = "compress"
) -> Iterator[Workspace]:
    """The workspace of a job whose network is compressed, with what `nas compress` does where the job says nothing.

    Args:
        workspace: The job.
        repair: The recipe by which networks are repaired.
        key: As for `compress_job`.
        command: The command of `nas` that this is for, `compress` or `sensitivity`, which searches nothing.

    Raises:
        ValueError: If the job has no given network and no candidate is named, or has both; as `find_candidate` and
            `store_candidate` describe.
    """
    check_given(workspace.job, key, f"nas {command}")
    given = workspace.job if key is None else _give_candidate(workspace, key)
    job = add_defaults(given, repair)
    added = list_added(given, job) if key is None else {}
    if command == "sensitivity":  # to which the search is nothing
        added = {name: value for name, value in added.items() if name.startswith("compression.")}
    if added:
        used = ", ".join(f"{name}: {value}" for name, value in added.items())
        why = "; state them for nas search or nas export" if command == "compress" else ", as nas compress does"
        workspace.reporter.say(f"{command} {used}, where the job says nothing{why}")
    with replace(workspace, job=job) as opened:
        yield opened


def _give_candidate(workspace: Workspace, key: str) -> Job:
    """The job with a candidate of its supernet, which is stored, as the given network."""
    candidate = find_candidate(workspace.database, key, workspace.trained_space, workspace.job.name)
    return replace_supernet(workspace.job, str(store_candidate(candidate, workspace.subject, workspace.execution)))
