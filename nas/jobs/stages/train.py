"""Stage 1: train the supernet, or store the network that is given.

In: the job's data, space and training sections. Out: a checkpoint, and its events for TensorBoard.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from nas.cluster import import_ray
from nas.compression.tracing.trace import TracedNetwork
from nas.compression.tracing.traced_file import save_traced
from nas.evaluation.realize import CandidateRealizer
from nas.files import atomic_write
from nas.jobs.console.training_progress import following
from nas.jobs.stages.given_network import check_network, describe_network
from nas.jobs.workspace import Workspace
from nas.training.progress import StepCallback
from nas.training.task import TrainingTask


def train(workspace: Workspace) -> Path:
    """Trains the supernet, unless it is trained; a killed training goes on. A given network is only stored.

    Returns:
        The finished checkpoint.

    Raises:
        ValueError: As `check_training` does.
    """
    if workspace.network is not None:
        return _store(workspace, workspace.network)
    finished = _path(workspace)
    if finished.exists():
        workspace.reporter.say(f"train    done before: {finished}")
        return finished
    check_training(workspace)
    finished.parent.mkdir(parents=True, exist_ok=True)
    task = workspace.training_task(workspace.job.training.resolve(workspace.trained_space), finished.parent)
    with following(workspace.reporter, "train the supernet", finished.parent) as watch:
        _carry_out(task, workspace, watch)
    workspace.reporter.say(f"train    {finished}")
    return finished


def check_training(workspace: Workspace) -> None:
    """Makes sure that the supernet is trained or can be, or that a given network fits the job; takes seconds at most.

    Raises:
        ValueError: If a phase opens what the space lacks, the settings do not fit the images, the workers or the
            schedule, Ray is asked for but not installed, the job has an unfinished training of another kind, or the
            given network does not fit the images.
    """
    if workspace.network is not None:
        check_network(workspace.network, workspace.trained_space, workspace.data)
        return
    finished, training = _path(workspace), workspace.job.training
    if finished.exists():
        return
    if workspace.ray_address is not None:
        import_ray()
    workers = 1 if workspace.ray_address is None else workspace.workers
    schedule = training.resolve(workspace.trained_space)
    training.settings().check(schedule, len(workspace.data.train), workers)
    _check_no_other(finished.parent)


def trained_checkpoint(workspace: Workspace) -> Path:
    """The finished checkpoint of the job.

    Raises:
        ValueError: If there is none.
    """
    finished = _path(workspace)
    if not finished.exists():
        what = "a trained supernet; make" if workspace.network is None else "its network stored; store"
        raise ValueError(f"job {workspace.job.name!r} needs {what} it with: nas train JOB")
    return finished


def _store(workspace: Workspace, network: TracedNetwork) -> Path:
    """Stores a given network, and says what the engine makes of it and how accurate it is as given."""
    check_training(workspace)
    file = _path(workspace)
    said = file.with_suffix(".txt")
    if not (file.exists() and said.exists()):
        file.parent.mkdir(parents=True, exist_ok=True)
        whole, side = CandidateRealizer(network, workspace.data), workspace.space.smallest().architecture.resolution
        accuracy = whole.measure_network(network.network(), side, workspace.data.validation)["accuracy"]
        images = len(workspace.data.validation)
        lines = [
            *describe_network(network, workspace.data),
            f"{accuracy:.2f} % of {images:,} validation images as given",
        ]
        save_traced(file, network)
        with atomic_write(said) as draft:
            draft.write_text("\n".join(lines), encoding="utf-8")
    lines = said.read_text(encoding="utf-8").splitlines()
    workspace.reporter.say("\n".join(f"network  {line}" for line in (*lines, str(file))))
    return file


def _carry_out(task: TrainingTask, workspace: Workspace, on_step: StepCallback) -> None:
    """Trains in this process, or with Ray on the workers of a cluster."""
    if workspace.ray_address is None:
        task.carry_out(on_step)
        return
    from nas.training.distributed.ray_training import train_on_ray

    train_on_ray(task, workspace.workers, workspace.ray_address, on_step)


def _path(workspace: Workspace) -> Path:
    """The finished checkpoint; how many workers train it is no input, as their result is the same but for noise."""
    job = workspace.job
    if workspace.network is not None:
        given = {"network": workspace.network_digest, "data": workspace.data_digest}
        return workspace.folder("network", given) / "network.safetensors"
    inputs = {
        "data": workspace.data_digest,
        "space": job.space.name,
        "policies": job.space.policy_space().to_json(),
        "schedule": asdict(job.training.resolve(workspace.trained_space)),
        "settings": asdict(job.training.settings()),
        "seed": job.seed,
    }
    return workspace.folder("train", inputs) / "supernet.safetensors"


def _check_no_other(folder: Path) -> None:
    """A training that was killed is gone on with, or given up by whoever started it, not forgotten."""
    for unfinished in sorted(folder.parent.glob("train-*/training.safetensors")):
        if unfinished.parent != folder and not unfinished.with_name("supernet.safetensors").exists():
            raise ValueError(
                f"{unfinished.parent} holds an unfinished training of this job with other data, space, "
                "training settings, seed or program version; put those back to go on with it, or delete that folder to "
                "begin anew"
            )
