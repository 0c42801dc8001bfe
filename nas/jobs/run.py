"""The whole job: the chain of its stages, each skipped where it is done.

In: a workspace. Out: what the stages leave. A stage that needs an earlier one says so in a ValueError.
"""

from __future__ import annotations

from collections.abc import Callable

from nas.jobs.console.summary import summarize
from nas.jobs.stages.export import export
from nas.jobs.stages.fit import FittedAccuracy, fit, fitted_accuracy
from nas.jobs.stages.front import VerifiedFront
from nas.jobs.stages.measured_search import measured_search
from nas.jobs.stages.predicted_search import predicted_search
from nas.jobs.stages.profile import latency_table, profile
from nas.jobs.stages.train import check_training, train, trained_checkpoint
from nas.jobs.workspace import Workspace


def run(workspace: Workspace) -> None:
    """Carries out the whole job; what an earlier run of the same job did is not done again."""
    check_training(workspace)
    if workspace.network is not None:
        train(workspace)  # only stores it, and says how accurate it is as given
    profile(workspace)  # before the training: an unsupported bit-width shows before hours of training
    if workspace.network is None:
        train(workspace)
    if workspace.job.search.accuracy == "predicted":
        fit_trained(workspace)
    export_front(workspace)


def fit_trained(workspace: Workspace) -> FittedAccuracy:
    """Measures candidates on the trained supernet, and fits the predictor."""
    return fit(workspace, trained_checkpoint(workspace))


def search_front(workspace: Workspace) -> VerifiedFront:
    """Searches on what the earlier stages left, and measures the accuracy of what it finds."""
    checkpoint, table = trained_checkpoint(workspace), latency_table(workspace)
    if workspace.job.search.accuracy == "measured":
        front = measured_search(workspace, checkpoint, table)
    else:
        front = predicted_search(workspace, checkpoint, table, fitted_accuracy(workspace, checkpoint))
    inputs = {
        "of": front.run,
        "verify": workspace.job.search.verify,
        "latency_error_percent": front.latency_error_percent,
    }
    record = workspace.record("front", inputs, front.device)
    workspace.store(record, front.evaluations(record.run, record.seed))
    return front


def export_front(workspace: Workspace) -> None:
    """Exports networks of the front, which is searched first unless that is done."""
    front = search_front(workspace)
    networks, folder = export(workspace, trained_checkpoint(workspace), front)
    summarize(workspace, front, networks, folder)


STAGES: dict[str, Callable[[Workspace], object]] = {
    "run": run,
    "train": train,
    "profile": profile,
    "fit": fit_trained,
    "search": search_front,
    "export": export_front,
}
