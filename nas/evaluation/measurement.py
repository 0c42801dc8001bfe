"""Describes the accuracy measurement of a job, so that any worker can build it.

Independent of workers: all it holds travels as a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import torch

from nas.compression.methods import DEFAULT_METHODS, CompressionMethods
from nas.compression.tracing.traced_file import load_traced
from nas.data.images import ImageData
from nas.data.sources import DataSource
from nas.evaluation.pool import Measure
from nas.evaluation.realize import CandidateRealizer
from nas.training.checkpoint import load_checkpoint
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.families.given import GivenSpace
from search_spaces.search_space import SearchSpace


@dataclass(frozen=True)
class AccuracyMeasurement:
    """Builds the measurement from a checkpoint and a data source.

    Attributes:
        checkpoint: A finished supernet, or a traced network that was given.
        space: Its space; the checkpoint decides which that is, so equal checkpoints are enough for equal measurements.
        data: The images.
        fidelity: Share of the images that re-calibrate and measure a candidate, above 0 and at most 1.
        processor: Where a worker measures: "cpu" or "cuda".
        methods: How candidates are compressed.
    """

    checkpoint: Path
    space: SearchSpace = field(compare=False)
    data: DataSource
    fidelity: float = 1.0
    processor: str = "cpu"
    methods: CompressionMethods = DEFAULT_METHODS

    def __call__(self) -> Measure:
        """The accuracy in percent of a candidate.

        Raises:
            ValueError: If it is to be measured on a GPU, and torch finds none.
        """
        realizer = _realizer(replace(self, fidelity=1.0))
        return partial(realizer.measure_accuracy, fidelity=self.fidelity)

    def realizer(self, data: ImageData) -> CandidateRealizer:
        """The trained supernet, or the given network, with its images."""
        if isinstance(self.space, GivenSpace):
            return CandidateRealizer(load_traced(self.checkpoint), data, self.methods)
        trained = build_supernet(self.space, seed=0)
        load_checkpoint(self.checkpoint, trained)
        return CandidateRealizer(trained, data, self.methods)


@lru_cache(maxsize=1)
def _realizer(measurement: AccuracyMeasurement) -> CandidateRealizer:
    """One for all fidelities."""
    processor = measurement.processor
    if processor == "cuda" and not torch.cuda.is_available():
        raise ValueError("torch finds no GPU in this worker; leave out --gpus-per-worker")
    realizer = measurement.realizer(measurement.data.load().to(processor))
    if isinstance(realizer.source, Supernet):
        realizer.source.to(processor)
    return realizer
