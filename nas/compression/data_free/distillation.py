"""Distils images from a network alone, to calibrate, judge and repair it where there are no data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.data_free.statistics_distance import InputStatistics, StatisticsDistance
from nas.compression.tracing.trace import TracedNetwork

# Of the authors' code: the rate falls to a tenth after so many iterations without a smaller distance.
_PATIENCE = 100
_LEAST_RATE = 1e-4


@dataclass(frozen=True)
class Distillation:
    """How images are distilled; the defaults are those of ZeroQ (Cai et al., CVPR 2020), but for images and reading.

    The code of the authors compares statistics of each image. Networks that are repaired by such images lose much, as
    no image has the statistics of all (`benchmarks/data_free.py`), so the default is to compare those of batches.

    Attributes:
        images: Number of images.
        batch: Number of images that are distilled together.
        iterations: Steps of Adam for each batch.
        learning_rate: The rate of Adam at the start.
        reading: Whose statistics are compared with those of the network, as `StatisticsDistance` tells.
        seed: Of the noise that the images start from.

    Raises:
        ValueError: If a count is below 1, the rate is not positive and finite, or the reading is unknown.
    """

    images: int = 256
    batch: int = 32
    iterations: int = 500
    learning_rate: float = 0.5
    reading: Literal["image", "batch"] = "batch"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("images", "batch", "iterations"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be positive and finite, got {self.learning_rate}")
        if self.reading not in ("image", "batch"):
            raise ValueError(f"reading must be image or batch, got {self.reading!r}")


def distill_data(
    traced: TracedNetwork, distillation: Distillation = Distillation(), inputs: InputStatistics | None = None
) -> CalibrationData:
    """Images whose activations have the statistics that the batch normalisations of a network keep.

    They have no labels, and are the same each time. A later batch does not change an earlier one.

    Args:
        traced: A network of one input, with batch normalisations; it is not changed.
        distillation: How many images are distilled, and how.
        inputs: The statistics of what the network reads; None for inputs that were normalised to mean 0 and standard
            deviation 1.

    Raises:
        ValueError: If the network has no batch normalisation or cannot be described by them (`StatisticsDistance`
            tells when), runs at another batch size alone, or its values grow beyond what floating point holds.
    """
    distance, size = StatisticsDistance(traced, distillation.reading, inputs), traced.graph.batch
    if size is not None and (distillation.batch != size or distillation.images % size):
        raise ValueError(
            f"this network runs at a batch of {size} alone, so it needs batch={size} and a multiple of it as images; "
            f"got batch={distillation.batch} and images={distillation.images}"
        )
    ((_, shape),) = traced.graph.inputs
    generator = torch.Generator().manual_seed(distillation.seed)
    batches = []
    for start in range(0, distillation.images, distillation.batch):
        count = min(distillation.batch, distillation.images - start)
        noise = torch.randn(count, *shape, generator=generator)
        batches.append(_distill_batch(noise, distance, distillation))
    return CalibrationData(torch.cat(batches), batch=distillation.batch)


def _distill_batch(noise: Tensor, distance: StatisticsDistance, distillation: Distillation) -> Tensor:
    """The images that are found from noise, shape (batch, ...)."""
    images = noise.requires_grad_()
    optimizer = torch.optim.Adam([images], lr=distillation.learning_rate)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=_PATIENCE, min_lr=_LEAST_RATE)
    with torch.enable_grad():
        for _ in range(distillation.iterations):
            loss = distance(images)
            (images.grad,) = torch.autograd.grad(loss, [images])
            optimizer.step()
            schedule.step(loss.item())
    found = images.detach()
    if not bool(found.isfinite().all()):
        raise ValueError(
            "this network cannot be described by inputs: those that are distilled from it became NaN or infinite; give "
            "calibration data, of which a few dozen inputs without labels do"
        )
    return found
