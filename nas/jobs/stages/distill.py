"""Images that are distilled from the given network of a job, once, in place of training images or of all data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from nas.compression.data_free.distillation import Distillation, distill_data
from nas.compression.data_free.distilled_source import DistilledSource
from nas.compression.data_free.input_file import save_inputs
from nas.compression.data_free.statistics_distance import StatisticsDistance
from nas.compression.tracing.trace import TracedNetwork
from nas.evaluation.realize import one_thread
from nas.jobs.console.reporter import Reporter
from nas.jobs.job_runs import stage_path
from nas.jobs.stage_folder import StageFolder
from nas.tasks.task import Task

INPUTS = "inputs.safetensors"
# Fewer images, in fewer steps, do almost as well as training images: `benchmarks/data_free.py`; a repair at few bits is
# fitted to more of them.
DISTILLATION = Distillation(images=128, iterations=100)
# Others, from other noise, by which candidates are judged where there are no data: 256 for validation, 128 for testing.
HELD_OUT = replace(DISTILLATION, images=384, seed=1)


def check_distillation(network: TracedNetwork) -> None:
    """Makes sure, without any work, that images can be distilled from a network.

    Args:
        network: The network.

    Raises:
        ValueError: If it has no batch normalisation, or cannot be described by them; see `StatisticsDistance`.
    """
    with _refusing():
        StatisticsDistance(network, DISTILLATION.reading)


def distill(
    network: TracedNetwork, folder: Path, reporter: Reporter, distillation: Distillation = DISTILLATION
) -> Path:
    """Distils images from a network, unless they are stored.

    Args:
        network: The network; its inputs are taken to be normalised to mean 0 and standard deviation 1.
        folder: Where they are stored; made, if it is not there.
        reporter: Is told.
        distillation: How many, and how.

    Returns:
        The file of the images, see `nas.compression.data_free.input_file`.

    Raises:
        ValueError: If it is stored and was damaged, if what was distilled is not finite, of which nothing is stored, or
            as `check_distillation` describes.
    """
    file, stage, begun = folder / INPUTS, StageFolder(folder), time.monotonic()
    if stage.holds(file.name):
        reporter.say(f"distil   done before: {file}")
        return file
    check_distillation(network)
    folder.mkdir(parents=True, exist_ok=True)
    with _refusing(), one_thread(), reporter.bar("distil images", None):
        found = distill_data(network, distillation)
    save_inputs(file, found.inputs)
    stage.record(file.name)
    reporter.say(f"distil   {len(found)} images in {time.monotonic() - begun:.0f} s: {file}")
    return file


def find_distilled(network: TracedNetwork, folder: Path, task: Task) -> DistilledSource:
    """Where a job keeps the images that are distilled from its network, whether they are there or not.

    Args:
        network: The network.
        folder: The folder of the job.
        task: What the outputs of the network mean.
    """
    digest = network.digest()
    calibration, held_out = (
        stage_path(folder, stage, {"network": digest, "distillation": asdict(one)}) / INPUTS
        for stage, one in (("distilled", DISTILLATION), ("held-out", HELD_OUT))
    )
    return DistilledSource(calibration, held_out, task)


def distill_all(network: TracedNetwork, source: DistilledSource, reporter: Reporter) -> None:
    """Distils the images that calibrate and those on which candidates are compared, unless they are stored.

    Args:
        network: The network.
        source: Where they are stored.
        reporter: Is told.

    Raises:
        ValueError: As `distill` describes.
    """
    distill(network, source.calibration.parent, reporter)
    distill(network, source.held_out.parent, reporter, HELD_OUT)


@contextmanager
def _refusing() -> Iterator[None]:
    """Says of a network that cannot be distilled what the job is to do instead."""
    try:
        yield
    except ValueError as error:
        raise ValueError(
            f"compression.calibration: data_free distils images from the network, and {error} "
            "(compression.calibration: training takes those of data)"
        ) from error
