"""`nas export KEY`: any candidate of the results database, from the run that measured it, as a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import nn

from nas.export.target import ExportTarget
from nas.jobs.console.networks_table import networks_table
from nas.jobs.files.job import Job, load_job
from nas.jobs.files.job_document import RestoredJob, restore_job
from nas.jobs.stages.candidate_export import ExportRequest, export_candidate
from nas.jobs.stages.export import Export
from nas.jobs.stages.finetune import FineTuning, Tuner, restore_finetuned
from nas.jobs.stages.found_network import FoundNetwork
from nas.jobs.stages.profile import table_of_this_machine
from nas.jobs.stages.subject import Subject
from nas.jobs.stages.tuners import GivenNetworkTuner, SubnetTuner
from nas.jobs.workspace import Workspace
from nas.verification.manifest import Manifest
from nas.verification.manifest_file import read_manifest
from results.description import describe
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.quoting import quote

_KEY = re.compile(r"[0-9a-fA-F]{1,16}")


def names_job(text: str) -> bool:
    """Whether an argument of `nas export` names a job file; else it is the beginning of a candidate's key.

    Args:
        text: The argument.

    Raises:
        ValueError: If it is neither.
    """
    if Path(text).is_file() or text.endswith((".yaml", ".yml")):
        return True
    if not _KEY.fullmatch(text):
        raise ValueError(
            f"nas export takes a job file, or first digits of a candidate's key (0 to 9, a to f; see: nas results "
            f"pareto); there is no file {quote(text)}"
        )
    return False


def find_job(found: FoundNetwork, runs: Path, file: Path | None, data: str | None) -> RestoredJob:
    """The job whose network a candidate is: the one that its run has kept, or that of a file.

    Args:
        found: The candidate and its run.
        runs: Folder of all runs.
        file: The job file; None takes what the run has kept.
        data: Replaces `data.source`, if given.

    Raises:
        ValueError: If the run has kept none that can be carried out, or the file is that of another job.
    """
    record = found.record
    if file is None:
        found_job = restore_job(record.job_document, runs, record.run)
        job = found_job.job
        if data is None:
            return found_job
        return replace(found_job, job=job.model_copy(update={"data": job.data.replace_source(data)}))
    job = load_job(file, data)
    if job.name != record.job:
        raise ValueError(
            f"candidate {found.candidate.key} is of job {quote(record.job)} (run {quote(record.run)}), and {file} is "
            f"job {quote(job.name)}; name that job's file"
        )
    return RestoredJob(job, None)


def choose_target(job: Job, target: ExportTarget) -> ExportTarget:
    """What a file is for where nobody names a runtime: the one on which latency counts, if that has files of its own.

    Args:
        job: The job.
        target: Its opset and batch are kept.
    """
    return replace(job.device.target, opset=target.opset, batch=target.batch)


def export_candidate_job(workspace: Workspace, found: FoundNetwork, request: ExportRequest) -> Export:
    """Exports a candidate.

    Args:
        workspace: The job whose network it is.
        found: The candidate and its run.
        request: What the file is to be.

    Raises:
        ValueError: If the network is not the one that was measured, its weights are gone, or it cannot have the form.
    """
    subject, reporter = _find_subject(workspace, found), workspace.reporter
    asks_latency = bool(workspace.job.search.table_costs)
    table = table_of_this_machine(workspace.table_request) if asks_latency else None
    restore = _find_restorer(workspace, found, subject) if found.is_finetuned else None
    reporter.say(f"export   {found.candidate.key} of {found.record.run}: {describe(found.candidate)}")
    exported = export_candidate(found, request, subject, restore, table, workspace.execution)
    caption = "measured on validation images, before the export; test and latency are of the ONNX file"
    reporter.console.print(networks_table(exported.networks, caption, workspace.execution.runs.metrics))
    file = exported.folder / exported.networks["file"].iloc[0]
    reporter.say(f"runs     {_describe_run(read_manifest(file))}")
    reporter.say(f"file     {file}")
    return exported


def _describe_run(manifest: Manifest) -> str:
    """How many layers run in integers, and that the others take their time where the policy rounds more."""
    bits = [LayerPolicy.parse(policy).weight_bits for policy in manifest.policies.values()]
    rounded = sum(count != FULL_PRECISION_BITS for count in bits)
    said = f"{manifest.integer_layers} layers in integers, {manifest.float_layers} in floating point, in onnxruntime"
    if not manifest.integer_layers < rounded:
        return said
    return f"{said}; the policy rounds {rounded}, and the rest of these takes the time of floating point"


def _find_subject(workspace: Workspace, found: FoundNetwork) -> Subject:
    """The subject of the job, on the processor of the run, which must be the subject of the run.

    Raises:
        ValueError: If it is not, or the run does not tell.
    """
    key, record, subject = found.candidate.key, found.record, workspace.subject
    if not found.subject:
        raise ValueError(
            f"run {quote(record.run)} of candidate {key} does not tell on what weights and data, so its network cannot "
            "be known again; name a run that has measured it by --run"
        )
    processor = str(record.inputs.get("processor", subject.measurement.processor))  # no matter where this one runs
    subject = replace(subject, measurement=replace(subject.measurement, processor=processor))
    if found.subject != subject.digest:
        raise ValueError(
            f"candidate {key} was measured in run {quote(record.run)} on other weights or data, by another recipe, or "
            "by another version of nas than this job has now; put those back, or name by --job the job file that "
            "states them (nas compress says what it adds to a job), or measure it again: start the job anew"
        )
    return subject


def _find_restorer(workspace: Workspace, found: FoundNetwork, subject: Subject) -> Callable[[], nn.Module]:
    """What gives a fine-tuned network, by what its run says of its training."""
    record, candidate = found.record, found.candidate
    stated = {"feature_distillation": 0.0, **record.inputs}  # which is absent where it was not used
    values = []
    for name in ("epochs", "learning_rate", "feature_distillation"):
        value = stated.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(
                f"run {quote(record.run)} must state {name} of its fine-tuning, a number, got {quote(value)}; without "
                "it the network cannot be read back"
            )
        values.append(float(value))
    tuning = FineTuning(*values)
    if workspace.network is not None:
        tuner: Tuner = GivenNetworkTuner(candidate, tuning, subject, workspace.job.seed)
    else:
        tuner = SubnetTuner(candidate, tuning, subject, workspace.training_task)
    return partial(restore_finetuned, candidate, tuning, tuner, subject, record.device, workspace.execution.runs)
