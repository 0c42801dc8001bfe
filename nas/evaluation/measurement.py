"""The description of a measurement on images, as a value that can be sent to any worker and built there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from nas.compression.data_free.distilled_source import DistilledSource
from nas.compression.data_free.input_file import load_inputs
from nas.compression.methods import DEFAULT_METHODS, CompressionMethods
from nas.compression.tracing.traced_file import load_traced
from nas.data.sources import DataSource
from nas.data.splits import DataSplits
from nas.evaluation.pool import Measure
from nas.evaluation.realize import CandidateRealizer
from nas.tasks.metrics.accuracy import Accuracy
from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.training.checkpoint import load_checkpoint
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.families.given import GivenSpace
from search_spaces.search_space import SearchSpace


@dataclass(frozen=True)
class ImageMeasurement:
    """Builds the measurement of candidates from a checkpoint and a data source.

    Attributes:
        checkpoint: The file of a trained supernet, or of a given network as it was traced.
        space: The space of that network. It does not count when measurements are compared, as the checkpoint decides
            the space.
        data: The source of the images, which may be distilled.
        metrics: The metrics that are computed from one pass of a candidate over the images.
        processor: The processor on which workers measure: "cpu" or "cuda".
        methods: How candidates are compressed.
        distilled: The file of the inputs that calibrate a given network in place of training images, as `save_inputs`
            writes it; None takes training images.
    """

    checkpoint: Path
    space: SearchSpace = field(compare=False)
    data: DataSource | DistilledSource
    metrics: tuple[MeasuredMetric, ...] = (Accuracy(),)
    processor: str = "cpu"
    methods: CompressionMethods = DEFAULT_METHODS
    distilled: Path | None = None

    def __call__(self) -> Measure:
        """Loads the network and the images.

        Returns:
            A function of a candidate and a fidelity, the share of the images for re-calibration and measurement. It
            returns values by name of the metric.

        Raises:
            ValueError: If the processor is "cuda" and torch finds no GPU.
        """
        if self.processor == "cuda" and not torch.cuda.is_available():
            raise ValueError("torch finds no GPU in this worker; leave out --gpus-per-worker")
        realizer = self.realizer(self.data.load().to(self.processor))
        if isinstance(realizer.source, Supernet):
            realizer.source.to(self.processor)
        return lambda candidate, fidelity: realizer.measure(candidate, self.metrics, fidelity)

    def realizer(self, data: DataSplits) -> CandidateRealizer:
        """What makes and measures networks of candidates, from the checkpoint and these images."""
        if isinstance(self.space, GivenSpace):
            distilled = None if self.distilled is None else load_inputs(self.distilled)
            return CandidateRealizer(load_traced(self.checkpoint), data, self.methods, distilled, self.space)
        trained = build_supernet(self.space, seed=0)
        load_checkpoint(self.checkpoint, trained)
        return CandidateRealizer(trained, data, self.methods)
