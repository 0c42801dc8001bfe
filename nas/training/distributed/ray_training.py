"""One training on several workers of a Ray cluster, which must see the same file system.

Every worker runs the same training task and averages its gradients with the others.
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

_RESTARTS = 3  # times that all workers start again after one has died: more deaths have a cause that will stay
_PATIENCE = 1  # times that a busy cluster is asked again for its CPUs; it is asked for a minute each time
_REPORT_S = 0.5  # the reports of half a second are sent together, as each message costs time


def train_on_ray(task: TrainingTask, workers: int, address: str, on_step: StepCallback) -> Path:
    """Trains, or resumes an interrupted training; returns the path of the finished checkpoint.

    When a worker dies, all start again from the last checkpoint; the steps since then are made, and reported, twice.
    Each worker has a GPU where the cluster has as many GPUs as workers, else one CPU.

    Args:
        task: The training, the same for all workers; a batch is shared by all of them.
        workers: Number of workers.
        address: `"local"` to start a cluster, else the address of a running cluster, as in `nas.cluster.ray_session`.
        on_step: Called in this process for every step, though later: reports are sent together.

    Raises:
        ValueError: If no cluster answers, the cluster has fewer CPUs than workers, or the training itself raises it.
        OSError: If workers died more than 3 times, the cluster was lost, or a file could not be written.
    """
    with ray_session(address, workers):
        try:
            return _fit(replace(task, folder=task.folder.resolve()), workers, on_step)
        except TrainingFailedError as error:
            raise _find_cause(error) from error
        except RayError as error:
            raise ray_failure("the Ray cluster was lost", error) from error


def _fit(task: TrainingTask, workers: int, on_step: StepCallback) -> Path:
    """Trains on the cluster that this process has joined, and removes the records of Ray afterwards."""
    resources: Mapping[str, float] = ray.cluster_resources()
    if not resources.get("CPU", 0) >= workers:
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
            # torch would use a GPU that it sees, though Ray has not given it to the worker
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
    """Runs `trainer` in another thread, so that this one can pass the reports of the first worker to `on_step`."""
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
    """Trains as one worker of the team; returns the path of the finished checkpoint."""
    torch.set_num_threads(1)
    team = TorchProcesses()
    finished = task.folder / "supernet.safetensors"
    if finished.exists():  # the team was restarted after the training had ended
        return finished
    # all workers make the same steps, so the reports of the first are enough
    return task.carry_out(_QueueReports(reports) if team.rank == 0 else ignore_step, team)


class _QueueReports:
    """A callback that sends reports to the process that started the training, those of half a second together."""

    def __init__(self, reports: Queue) -> None:
        self._reports, self._batch, self._sent = reports, list[StepReport](), time.monotonic()

    def __call__(self, report: StepReport) -> None:
        self._batch.append(report)
        due = report.measured or report.step == report.steps or time.monotonic() - self._sent >= _REPORT_S
        if due:
            try:
                self._reports.put(self._batch)
            except RayError as error:
                raise ValueError("the process that started this training no longer waits for it") from error
            self._batch, self._sent = [], time.monotonic()


class _StopOnBadInput(UserCallback):  # type: ignore[misc]  # ray has no types
    """Ends the training when a worker raises ValueError: Ray would start it again, and meet the same error."""

    def after_exception(self, run_context: object, worker_exceptions: dict[int, Exception]) -> None:  # noqa: ARG002
        for error in worker_exceptions.values():
            if isinstance(error, ValueError):
                raise error


def _find_cause(error: Exception) -> Exception:
    """The error that a training in one process would have raised; an OSError where Ray itself has failed."""
    failures = [*getattr(error, "worker_failures", {}).values(), getattr(error, "controller_failure", error)]
    for failure in failures:
        if isinstance(failure, ValueError | OSError):
            return failure
    return ray_failure("the training workers could not go on", failures[0])
