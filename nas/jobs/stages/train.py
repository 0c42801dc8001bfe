"""Train the supernet of a job, or store the network that it brings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas.cluster import import_ray
from nas.compression.tracing.trace import TracedNetwork
from nas.compression.tracing.traced_file import save_traced
from nas.data.network_inputs import NetworkInputs
from nas.data.splits import DataSplits
from nas.evaluation.realize import CandidateRealizer
from nas.files import atomic_write
from nas.jobs.console.reporter import Reporter
from nas.jobs.console.training_progress import follow_training
from nas.jobs.execution import Workers
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.channel_ranking import ChannelRanking
from nas.jobs.stages.given_network import describe_network
from nas.memory import release_memory
from nas.tasks.metrics.accuracy import Accuracy
from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.training.task import TrainingTask
from results.metric import Metric

SUPERNET, NETWORK = "supernet.safetensors", "network.safetensors"
_ACCURACY = Accuracy()


def train(task: TrainingTask, workers: Workers, reporter: Reporter) -> Path:
    """Trains a supernet, unless it is trained; a killed training goes on.

    Args:
        task: The training, as `check_training` accepts it.
        workers: Those that train, where they are Ray's; else this process trains.
        reporter: Where progress is shown.

    Returns:
        The finished checkpoint.

    Raises:
        ValueError: If the checkpoint is finished and was damaged, or the training raises it.
    """
    if StageFolder(task.folder).holds(SUPERNET):
        reporter.say(f"train    done before: {task.folder / SUPERNET}")
        return task.folder / SUPERNET

    def carry_out() -> None:
        with follow_training(reporter, "train the supernet", task.folder) as watch:
            if workers.ray_address is None:
                task.carry_out(watch)
            else:
                from nas.training.distributed.ray_training import train_on_ray

                train_on_ray(task, workers.count, workers.ray_address, watch)

    finished = finish_training(task, carry_out)
    reporter.say(f"train    {finished}")
    return finished


def finish_training(task: TrainingTask, carry_out: Callable[[], None]) -> Path:
    """Carries out a training that is not finished, and records its checkpoint.

    Args:
        task: The training.
        carry_out: Carries it out; not called where a killed process left the checkpoint and no record of it.

    Returns:
        The finished checkpoint.

    Raises:
        ValueError: If that checkpoint is damaged or of another training, or the training raises it.
    """
    finished = task.folder / SUPERNET
    task.folder.mkdir(parents=True, exist_ok=True)
    if finished.exists():
        task.check_finished(finished)
    else:
        carry_out()
        release_memory()  # what follows may run for hours in the same process
    StageFolder(task.folder).record(SUPERNET)
    return finished


def check_training(task: TrainingTask, data: DataSplits, workers: Workers) -> None:
    """Makes sure that a supernet is trained or can be; takes seconds at most.

    Args:
        task: The training.
        data: The samples.
        workers: Those that train, where they are Ray's.

    Raises:
        ValueError: If the settings do not fit the samples, the workers or the schedule, Ray is asked for but not
            installed, or the job has an unfinished training of another kind.
    """
    if SUPERNET in StageFolder(task.folder).list_files():
        return
    if workers.ray_address is not None:
        import_ray()
    plan = task.plan
    plan.settings.check_inputs(data.train.inputs.shape, data.task)
    plan.settings.check(plan.schedule, len(data.train), 1 if workers.ray_address is None else workers.count)
    # a training that was killed is gone on with, or given up by whoever started it, not forgotten
    for unfinished in sorted(task.folder.parent.glob("train-*/training.safetensors")):
        if unfinished.parent != task.folder and not unfinished.with_name(SUPERNET).exists():
            raise ValueError(
                f"{unfinished.parent} holds an unfinished training of this job with other data, space, "
                "training settings, seed or program version; put those back to go on with it, or delete that folder to "
                "begin anew"
            )


def store_network(
    network: TracedNetwork,
    data: DataSplits,
    folder: Path,
    reporter: Reporter,
    headline: MeasuredMetric = _ACCURACY,
    ranking: ChannelRanking | None = None,
) -> Path:
    """Stores a given network, and says what the engine makes of it and how good it is as given.

    Args:
        network: The network.
        data: Its images.
        folder: Where it is stored; made, if it is not there.
        reporter: Is told.
        headline: How good a network is by the task of the data.
        ranking: By what the channels of each group are sorted before; None leaves them.

    Returns:
        The file of the network.

    Raises:
        ValueError: If it is stored and was damaged, or the network cannot be ranked so.
    """
    file, stage = folder / NETWORK, StageFolder(folder)
    said = file.with_suffix(".txt")
    if not stage.holds(file.name, said.name):
        folder.mkdir(parents=True, exist_ok=True)
        ((_, shape),) = network.graph.inputs
        realizer, images = CandidateRealizer(network, data), len(data.validation)
        if headline.needs_labels:
            found = realizer.measure_network(network.network(), shape[-1], data.validation, [headline])
            quality = _say_quality(headline.metric, found[headline.metric.name], images)
        else:
            kind = "distilled" if isinstance(data.transform, NetworkInputs) else "validation"
            quality = f"without labels: candidates are compared with its outputs on {images:,} {kind} images"
        lines = describe_network(network, data)
        if ranking is not None:
            network, said_of_it = ranking.sort(network, data, reporter)
            lines.append(said_of_it)
        lines.append(quality)
        save_traced(file, network)
        with atomic_write(said) as draft:
            draft.write_text("\n".join(lines), encoding="utf-8")
        stage.record(file.name, said.name)
    lines = said.read_text(encoding="utf-8").splitlines()
    reporter.say("\n".join(f"network  {line}" for line in (*lines, str(file))))
    return file


def _say_quality(metric: Metric, value: float, images: int) -> str:
    """How good a network is, such as `97.50 % of 360 validation images as given`."""
    if metric == _ACCURACY.metric:
        return f"{value:.2f} % of {images:,} validation images as given"
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{metric.name} {metric.render(value)}{unit} on {images:,} validation images as given"
