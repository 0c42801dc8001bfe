"""One training on several workers of a Ray cluster, which must see the same file system.

Every worker carries out the same task and averages its gradients with the others; nothing here knows a network.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread

import ray
import torch
from ray.exceptions import RayError
from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig, TrainingFailedError, UserCallback
from ray.train.torch import TorchTrainer
from ray.util.queue import Empty, Queue

from nas.cluster import ray_failure, ray_session
from nas.training.distributed.team import TorchProcesses
from nas.training.progress import StepCallback, StepReport, ignore_step
from nas.training.task import TrainingTask

_RESTARTS = 3  # of all workers together, after one has died
_PATIENCE = 1  # a busy cluster is asked once more for its CPUs, each time for a minute
_REPORT_S = 0.5  # steps are reported together


def train_on_ray(task: TrainingTask, workers: int, address: str, on_step: StepCallback) -> Path:
    """Trains, or goes on where a killed training stopped; returns the finished checkpoint.

    When a worker dies all start again, from the last checkpoint; the steps since are made, and reported, once more. The
    workers are on GPUs where the cluster has one for each, else on one CPU each.

    Args:
        task: The same for all workers; its batch size is of all of them together.
        workers: How many.
        address: `"local"` to start a cluster, else the one to join, as in `nas.cluster.ray_session`.
        on_step: Called in this process, for every step, within a second or so.

    Raises:
        ValueError: If no cluster answers, it is too small, or a worker cannot do the task.
        OSError: If workers or the cluster were lost more often than is put up with, or the disk failed.
    """
    with ray_session(address, workers):
        try:
            return _fit(replace(task, folder=task.folder.resolve()), workers, on_step)
        except TrainingFailedError as error:
            raise _find_cause(error) from error
        except RayError as error:
            raise ray_failure("the Ray cluster was lost", error) from error


def _fit(task: TrainingTask, workers: int, on_step: StepCallback) -> Path:
    resources: Mapping[str, float] = ray.cluster_resources()
    if resources.get("CPU", 0) < workers:
        raise ValueError(
            f"{workers} training workers need as many CPUs, and the Ray cluster has {resources.get('CPU', 0):.0f}; "
            "ask for fewer with --workers"
        )
    # all workers are alike, for the slowest one decides how long a step takes
    on_gpus = resources.get("GPU", 0) >= workers
    records = task.folder / "ray"
    reports = Queue(actor_options={"num_cpus": 0})
    trainer = TorchTrainer(
        partial(_work, task, reports),
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=on_gpus, resources_per_worker={"CPU": 1} | ({"GPU": 1} if on_gpus else {})
        ),
        run_config=RunConfig(
            name=records.name,
            storage_path=str(records.parent),
            failure_config=FailureConfig(max_failures=_RESTARTS, controller_failure_limit=_PATIENCE),
            # a GPU that was not asked for is not to be seen
            worker_runtime_env={} if on_gpus else {"env_vars": {"CUDA_VISIBLE_DEVICES": ""}},
            logging_config=LoggingConfig(log_level="ERROR"),
            callbacks=[_StopOnBadInput()],
        ),
    )
    try:
        return _fit_and_report(trainer, reports, on_step)
    finally:
        reports.shutdown(force=True)  # stops workers whose reports nobody awaits
        shutil.rmtree(records, ignore_errors=True)


def _fit_and_report(trainer: TorchTrainer, reports: Queue, on_step: StepCallback) -> Path:
    """Trains in a thread, so that this one can pass on what the first worker reports."""
    outcome: Future[Path] = Future()

    def fit() -> None:
        try:
            outcome.set_result(trainer.fit().return_value)
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=fit, daemon=True).start()
    while not (outcome.done() and reports.empty()):
        try:
            for report in reports.get(timeout=_REPORT_S):
                on_step(report)
        except Empty:
            pass
    return outcome.result()


def _work(task: TrainingTask, reports: Queue) -> Path:
    """What every worker does; returns the finished checkpoint."""
    torch.set_num_threads(1)
    team = TorchProcesses()
    finished = task.folder / "supernet.safetensors"
    if finished.exists():  # another worker died after that was written
        return finished
    # the other workers see the same as the first
    return task.carry_out(_QueueReports(reports) if team.rank == 0 else ignore_step, team)


class _QueueReports:
    """Sends reports to whoever started the training; those of half a second together."""

    def __init__(self, reports: Queue) -> None:
        self._reports, self._batch, self._sent = reports, list[StepReport](), time.monotonic()

    def __call__(self, report: StepReport) -> None:
        self._batch.append(report)
        due = report.accuracies or report.step == report.steps or time.monotonic() - self._sent >= _REPORT_S
        if due:
            try:
                self._reports.put(self._batch)
            except RayError as error:
                raise ValueError("whoever started this training awaits it no more") from error
            self._batch, self._sent = [], time.monotonic()


class _StopOnBadInput(UserCallback):  # type: ignore[misc]  # ray has no types
    """Ends the training when a worker says that its task cannot be done; Ray would try it again."""

    def after_exception(self, run_context: object, worker_exceptions: dict[int, Exception]) -> None:  # noqa: ARG002
        for error in worker_exceptions.values():
            if isinstance(error, ValueError):
                raise error


def _find_cause(error: Exception) -> Exception:
    """What one process would have raised, where the failure is of that kind."""
    failures = [*getattr(error, "worker_failures", {}).values(), getattr(error, "controller_failure", error)]
    for failure in failures:
        if isinstance(failure, ValueError | OSError):
            return failure
    return ray_failure("the training workers could not go on", failures[0])
