"""Describes the accuracy measurement of a job, so that any worker can build it.

In: paths and names. Out: the accuracy of candidates on the validation images. Knows no worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.data.images import ImageData
from nas.data.sources import DataSource
from nas.evaluation.pool import Measure
from nas.evaluation.realize import CandidateRealizer
from nas.training.checkpoint import load_checkpoint
from search_spaces.elastic.registry import supernet
from search_spaces.registry import search_space


@dataclass(frozen=True)
class AccuracyMeasurement:
    """Builds the measurement from a checkpoint and a data source.

    Attributes:
        checkpoint: A finished supernet.
        space: Name of its space.
        data: The images.
    """

    checkpoint: Path
    space: str
    data: DataSource

    def __call__(self) -> Measure:
        """The accuracy in percent of a candidate."""
        return self.realizer(self.data.load()).accuracy

    def realizer(self, data: ImageData) -> CandidateRealizer:
        """The trained supernet with its images."""
        trained = supernet(search_space(self.space, data.channels, data.classes), seed=0)
        load_checkpoint(self.checkpoint, trained)
        return CandidateRealizer(trained, data)
