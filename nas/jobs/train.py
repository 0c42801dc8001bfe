"""Stage 1: train the supernet.

In: the job's data, space and training sections. Out: a checkpoint.
"""

from __future__ import annotations

from pathlib import Path

from nas.jobs.workspace import Workspace
from nas.training.trainer import TrainingSettings, train_supernet
from search_spaces.elastic.registry import supernet


def train(workspace: Workspace) -> Path:
    """Trains the supernet, unless it is trained; a killed training goes on.

    Returns:
        The finished checkpoint.
    """
    finished = _path(workspace)
    if finished.exists():
        workspace.reporter.say(f"train    done before: {finished}")
        return finished
    finished.parent.mkdir(parents=True, exist_ok=True)
    job = workspace.job
    settings = TrainingSettings(**job.training.model_dump())
    fresh = supernet(workspace.space.architectures, job.seed)
    steps = len(workspace.data.train) // settings.batch_size
    with workspace.reporter.bar("train the supernet", (settings.full_epochs + settings.sandwich_epochs) * steps) as bar:
        train_supernet(fresh, workspace.data, settings, job.seed, finished.parent, bar.reach)
    workspace.reporter.say(f"train    {finished}")
    return finished


def trained_checkpoint(workspace: Workspace) -> Path:
    """The finished checkpoint of the job.

    Raises:
        ValueError: If there is none.
    """
    finished = _path(workspace)
    if not finished.exists():
        raise ValueError(f"job {workspace.job.name!r} needs a trained supernet; make it with: nas train JOB")
    return finished


def _path(workspace: Workspace) -> Path:
    job = workspace.job
    inputs = {
        "data": workspace.data_digest,
        "space": job.space.name,
        "training": job.training.model_dump(),
        "seed": job.seed,
    }
    return workspace.folder("train", inputs) / "supernet.safetensors"
