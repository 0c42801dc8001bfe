"""Describes the accuracy measurement of a job, so that any worker can build it.

In: paths and names. Out: the accuracy of candidates on the validation images. Knows no worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch

from nas.data.images import ImageData
from nas.data.sources import DataSource
from nas.evaluation.pool import Measure
from nas.evaluation.realize import CandidateRealizer
from nas.training.checkpoint import load_checkpoint
from search_spaces.elastic.supernet import build_supernet
from search_spaces.presets import search_space


@dataclass(frozen=True)
class AccuracyMeasurement:
    """Builds the measurement from a checkpoint and a data source.

    Attributes:
        checkpoint: A finished supernet.
        space: Name of its space.
        data: The images.
        fidelity: Share of the images that re-calibrate and measure a candidate, above 0 and at most 1.
        processor: Where a worker measures: "cpu" or "cuda".
    """

    checkpoint: Path
    space: str
    data: DataSource
    fidelity: float = 1.0
    processor: str = "cpu"

    def __call__(self) -> Measure:
        """The accuracy in percent of a candidate.

        Raises:
            ValueError: If it is to be measured on a GPU, and torch finds none.
        """
        realizer = _realizer(self.checkpoint, self.space, self.data, self.processor)
        return partial(realizer.accuracy, fidelity=self.fidelity)

    def realizer(self, data: ImageData) -> CandidateRealizer:
        """The trained supernet with its images."""
        return _of(self.checkpoint, self.space, data)


@lru_cache(maxsize=1)
def _realizer(checkpoint: Path, space: str, data: DataSource, processor: str) -> CandidateRealizer:
    """One for all fidelities."""
    if processor == "cuda" and not torch.cuda.is_available():
        raise ValueError("torch finds no GPU in this worker; leave out --gpus-per-worker")
    realizer = _of(checkpoint, space, data.load().to(processor))
    realizer.supernet.to(processor)
    return realizer


def _of(checkpoint: Path, space: str, data: ImageData) -> CandidateRealizer:
    trained = build_supernet(search_space(space, data.channels, data.classes), seed=0)
    load_checkpoint(checkpoint, trained)
    return CandidateRealizer(trained, data)
