"""The stages of a job, one function each, and the chain of them; a stage that is done is not done again.

A stage that needs the outcome of an earlier one, which is not there, says so in a ValueError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hardware.profiling.openvino_model import check_openvino
from nas.data.survey.contact_sheet import draw_sheet
from nas.evaluation.profilers import create_profiler
from nas.evaluation.remote_profiler import remote_profiler
from nas.files import atomic_write
from nas.jobs.console.data_report import show_survey, show_texts
from nas.jobs.console.summary import summarize, summarize_finetuned
from nas.jobs.files.compressed_job import check_features, check_tuning_data
from nas.jobs.stages.candidate_network import find_candidate
from nas.jobs.stages.distill import check_distillation, distill
from nas.jobs.stages.exact_costs import ExactCosts, StoredTable
from nas.jobs.stages.export import Export, export
from nas.jobs.stages.finetune import FineTuning, Tuner, finetune
from nas.jobs.stages.fit import Fitted, check_space, fit, read_fitted
from nas.jobs.stages.given_network import check_network
from nas.jobs.stages.given_values import measure_given
from nas.jobs.stages.limit_check import check_limits
from nas.jobs.stages.measured_search import check_length, measured_search
from nas.jobs.stages.predicted_search import predicted_search
from nas.jobs.stages.profile import find_table, profile, table_of_this_machine
from nas.jobs.stages.refined_table import list_exported, refine_table
from nas.jobs.stages.search_outcome import SearchOutcome
from nas.jobs.stages.sensitivity import check_sensitivity
from nas.jobs.stages.train import check_training, store_network, train
from nas.jobs.stages.tuners import GivenNetworkTuner, SubnetTuner
from nas.jobs.workspace import Workspace

SAMPLES = "samples.png"  # the sheet of examples
EXAMPLES = 10  # texts that are shown


def check_job(workspace: Workspace) -> None:
    """Checks that the supernet is trained or can be, or that the given network fits the images, and the limits.

    It trains and measures nothing, so that a faulty job fails before hours of work.

    Raises:
        ValueError: If it cannot be trained, the given network does not fit, a sensitivity metric lacks what it needs,
            no candidate keeps a limit on an analytic cost, or the search is too short; see `check_training`,
            `check_network`, `check_distillation`, `check_sensitivity`, `check_limits`, `check_task`, `check_length`.
    """
    if workspace.network is not None:
        if workspace.job.search.quality == "measured" and not _has_search(workspace):
            check_length(workspace.job.search, workspace.space)  # before images are distilled
        check_network(workspace.network, workspace.data)
        labelled = workspace.job.labelled and workspace.distilled is None
        if workspace.distilled is not None:
            check_distillation(workspace.network)
        if (metric := workspace.job.search.method().damage_metric) is not None:
            check_sensitivity(metric, workspace.network, workspace.data.task, labelled)
    else:
        check_training(workspace.training_task, workspace.data, workspace.workers)
    check_limits(ExactCosts(workspace.space, None), workspace.job.search)
    workspace.check_task()


def _has_search(workspace: Workspace) -> bool:
    """Whether a search of the job was begun, by any settings: `measured_search` knows whether it goes on."""
    runs = workspace.database.runs()
    return bool(((runs["job"] == workspace.job.name) & (runs["stage"] == "search")).any())


def show_data(workspace: Workspace) -> None:
    """Shows what the data of the job hold, with examples: a sheet of images in the job's folder, or a few texts.

    Raises:
        ValueError: If the job has no data.
    """
    if not workspace.job.has_data:
        raise ValueError("this job has no data: by compression.calibration: data_free and no section data, it has none")
    data, reporter = workspace.data, workspace.reporter
    show_survey(workspace.survey, reporter)
    if workspace.job.data.tokenizer is not None:
        show_texts(workspace.source.arrange().read_examples(EXAMPLES), reporter)
        return
    path = workspace.folder / SAMPLES
    with atomic_write(path) as draft:
        draw_sheet(data).save(draft, "png")
    reporter.say(f"picture  {path}")


def run_job(workspace: Workspace) -> Export:
    """Runs all stages of the job; what an earlier start of the same job finished is not done again."""
    check_job(workspace)
    if workspace.job.search.table_costs and workspace.table_request.given is None:
        workspace.table_request.path_here()  # before anything runs: can the device be measured here?
    if workspace.execution.target.runtime == "openvino":
        check_openvino("an export for openvino, which is checked in it,")  # not after hours of search
    if workspace.job.search.quality == "predicted":
        check_space(workspace.space)
    if workspace.network is not None:
        train_job(workspace)  # only stores it, and says how accurate it is as given
    if workspace.job.search.table_costs:
        profile_job(workspace)  # before the training: an unsupported bit-width shows before hours of training
    if workspace.network is None:
        train_job(workspace)
    if workspace.job.search.quality == "predicted":
        fit_job(workspace)
    return export_job(workspace)


def train_job(workspace: Workspace) -> Path:
    """Trains the supernet, or stores the given network; returns the path of its file."""
    check_job(workspace)
    if workspace.network is not None:
        network, folder, reporter = workspace.network, workspace.network_folder, workspace.reporter
        if workspace.distilled is not None:
            distill(network, workspace.distilled.calibration.parent, reporter)
        return store_network(network, workspace.data, folder, reporter, workspace.job.headline, workspace.ranking)
    return train(workspace.training_task, workspace.workers, workspace.reporter)


def profile_job(workspace: Workspace, resource: str | None = None) -> StoredTable:
    """Measures the latency table of this machine, or of the node of the Ray cluster that offers a resource.

    Args:
        workspace: The job. If it names a finished table, nothing is measured, and that table is read.
        resource: The custom resource that the node offers; None measures this machine.

    Raises:
        ValueError: If `resource` is given although the job names a finished table, no node offers it, the job's device
            cannot be measured here, or its table cannot be used by the search.
        OSError: If the node is busy or is lost.
    """
    check_job(workspace)
    request, address = workspace.table_request, workspace.workers.ray_address
    if request.given is not None and resource is not None:
        raise ValueError(f"--resource measures a node, but device.table of the job is {request.given}; leave one out")
    if request.given is not None:
        return find_table(request, workspace.reporter)
    if resource is None:
        return profile(request, create_profiler(workspace.job.device.here()), workspace.reporter)
    with remote_profiler(workspace.job.device.here(), address or "auto", resource) as remote:
        return profile(request, remote, workspace.reporter)


def refine_job(workspace: Workspace) -> StoredTable:
    """Calibrates the table of this machine anew, on the networks that the job has exported, too: another table.

    Args:
        workspace: The job, whose table is finished and whose networks were exported and timed.

    Raises:
        ValueError: If the job asks for no latency, it has no table or has exported nothing; see `find_table`,
            `list_exported` and `refine_table`.
        OSError: If the machine is busy, or changes meanwhile.
    """
    check_job(workspace)
    job, request, reporter = workspace.job, workspace.table_request, workspace.reporter
    if not job.search.table_costs:
        raise ValueError(f"job {job.name!r} asks for no latency, so it has no table to refine; add latency_ms")
    before = find_table(request, reporter)
    found = list_exported(workspace.database, job.name, workspace.space, before.table.location)
    return refine_table(request, before, *found, create_profiler(job.device.here()), reporter)


def fit_job(workspace: Workspace) -> Fitted:
    """Measures candidates on the trained weights, and fits predictors to these measurements."""
    return fit(workspace.job.fit, workspace.subject, workspace.execution)


def search_job(workspace: Workspace) -> SearchOutcome:
    """Runs the search, on the outcomes of the earlier stages, and stores the expected values of its front."""
    section, execution = workspace.job.search, workspace.execution
    check_limits(ExactCosts(workspace.space, None), section)
    subject = replace(workspace.subject, given=measure_given(section, workspace.subject, execution))
    if section.quality == "measured":
        outcome = measured_search(section, subject, workspace.costs(), execution)
    else:
        fitted = read_fitted(workspace.job.fit, subject, execution.runs)
        outcome = predicted_search(section, fitted, workspace.costs(), execution)
    outcome.store(section.verify, execution.runs)
    return outcome


def export_job(workspace: Workspace) -> Export:
    """Exports networks of the front, after the search that finds it; a finished search is read back."""
    outcome, section = search_job(workspace), workspace.job.search
    table = table_of_this_machine(workspace.table_request) if section.table_costs else None
    exported = export(workspace.job.export.count, outcome, workspace.subject, table, workspace.execution)
    summarize(outcome, exported, len(workspace.data.validation), workspace.reporter)
    return exported


def finetune_job(
    workspace: Workspace,
    key: str,
    epochs: float = 2.0,
    learning_rate: float | None = None,
    feature_distillation: float = 0.0,
) -> Export:
    """Trains one candidate of the results database further, with its bits, and exports it.

    Args:
        workspace: The job, whose supernet must be trained, or whose given network must be stored.
        key: First digits of the candidate's key.
        epochs: Number of passes over the training samples.
        learning_rate: Learning rate at the start, which falls to 0; None is 0.01 for a subnet, by SGD, and 0.0001 for a
            given network, by Adam.
        feature_distillation: Weight in the loss of what the ends of blocks differ from those of the given network.

    Raises:
        ValueError: If the job has no data, epochs or learning rate are not above 0, features are to be compared and
            have no counterpart, the supernet is not trained or the network not stored, no candidate or several have
            keys that begin with these digits, or the candidate is not of the job's space.
    """
    check_tuning_data(workspace.job)
    given = workspace.network is not None
    if feature_distillation:
        check_features(workspace.job, given)
    default_rate = 0.0001 if given else 0.01
    tuning = FineTuning(epochs, default_rate if learning_rate is None else learning_rate, feature_distillation)
    subject = workspace.subject
    candidate = find_candidate(workspace.database, key, workspace.trained_space, workspace.job.name)
    if given:
        tuner: Tuner = GivenNetworkTuner(candidate, tuning, subject, workspace.job.seed)
    else:
        tuner = SubnetTuner(candidate, tuning, subject, workspace.training_task)
    table = table_of_this_machine(workspace.table_request)
    exported = finetune(candidate, tuning, tuner, subject, table, workspace.execution)
    summarize_finetuned(candidate, exported, workspace.reporter, workspace.execution.runs.metrics)
    return exported


# What the commands that measure candidates run, by the name of the command: the whole job, or one of its stages.
MEASURING_COMMANDS: dict[str, Callable[[Workspace], object]] = {
    "run": run_job,
    "fit": fit_job,
    "search": search_job,
    "export": export_job,
}
