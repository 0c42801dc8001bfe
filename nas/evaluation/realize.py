"""Creates the networks of candidates, ready to be measured or exported, and measures them.

Independent of searches and of the database.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import apply_policy, calibrate
from nas.compression.integer_biases import round_biases
from nas.compression.methods import DEFAULT_METHODS, CompressionMethods
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork
from nas.data.splits import DataSplits, Split
from nas.evaluation.given_networks import GivenNetworks
from nas.tasks.metrics.accuracy import Accuracy
from nas.tasks.metrics.corruption import Corruption
from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.training.recalibration import recalibrate_batch_norm
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.supernet import Supernet
from search_spaces.families.given import GivenSpace

# Number of images, and of images per batch, for batch-norm statistics: those of once-for-all (Cai et al., 2020, code).
_NORM_IMAGES, _NORM_BATCH = 2000, 200
_RANGE_IMAGES = 256  # images, in one batch, for the ranges of activations; more images bring more outliers
REALIZATION = "integer biases"  # what was changed last in how candidates are made: other values are not to be reused
REPAIR_SAMPLES = 512  # training samples by which a given network is repaired; seconds for each candidate
_EVALUATION_BATCH = 64  # images per batch; larger batches exceed the processor's caches, and take a fifth longer
_CACHED_RESOLUTIONS = 4  # resolutions whose resized images are kept
_MOST_KEPT = 256 * 2**20  # bytes of resized images of a resolution that are kept; more are resized each time
_ACCURACY = Accuracy()


class CandidateRealizer:
    """Extracts, compresses, re-calibrates and measures candidates of one supernet, or of a given network.

    Every step is deterministic and runs on one thread, so all workers of one kind of processor give the same values.

    Args:
        source: The trained supernet, or the given network; it is not changed.
        data: The images: training images for re-calibration, validation images for measurement.
        methods: How candidates are compressed.
        distilled: Inputs of a given network that take the place of training images, shape (n, ...); None if none do.
        space: The space of a given network with widths to choose; None if all of its channels stay.
    """

    def __init__(
        self,
        source: Supernet | TracedNetwork,
        data: DataSplits,
        methods: CompressionMethods = DEFAULT_METHODS,
        distilled: Tensor | None = None,
        space: GivenSpace | None = None,
    ) -> None:
        self.source, self.methods = source, methods
        self.data, self._distilled = data, distilled
        self.given = GivenNetworks(self._make_subject, space)
        self.transform = data.transform
        self._calibration = data.train.take(slice(0, _NORM_IMAGES)).keep()
        self._kept_inputs = lru_cache(maxsize=_CACHED_RESOLUTIONS)(self._resize_calibration)
        self._kept_references = lru_cache(maxsize=1)(lambda resolution: self._refer(data.validation, resolution))

    def realize(self, candidate: Candidate, fidelity: float = 1.0) -> nn.Module:
        """The candidate as a stand-alone network: extracted, compressed, calibrated, with biases as devices add them.

        Args:
            candidate: The candidate.
            fidelity: Share of the calibration images that are used, above 0 and at most 1; a repair takes
                all of its own.
        """
        with one_thread():
            if self.methods.repair is not None and isinstance(self.source, TracedNetwork):
                repaired = self.given.repairer(candidate.architecture).repair(candidate.policy)
                return repaired.to(self._calibration.labels.device)
        resolution = candidate.architecture.resolution
        images = len(self._calibration if self._distilled is None else self._distilled)
        count = math.ceil(fidelity * images)
        whole = count // _NORM_BATCH * _NORM_BATCH
        starts = range(0, whole, _NORM_BATCH) if whole else (0,)
        with one_thread():
            compressed = self._compressed(candidate, self._calibration.labels.device)
            # after rounding: the statistics of the full weights would undo what the rounded ones were trained to
            batches = (self._calibration_inputs(resolution, start, min(start + _NORM_BATCH, count)) for start in starts)
            recalibrate_batch_norm(compressed, batches)
            ranges = self._calibration_inputs(resolution, 0, min(_RANGE_IMAGES, count))
            calibrate(compressed, [ranges], self.methods.observer)
            round_biases(compressed)
        if isinstance(self.source, TracedNetwork):
            return compressed  # gives what users read from the start
        return self.data.task.finish_network(compressed).to(self._calibration.labels.device)

    def _make_subject(self) -> CompressionSubject:
        """The given network with the samples by which it is repaired."""
        assert isinstance(self.source, TracedNetwork)
        data, policies = self.calibration_data(REPAIR_SAMPLES), [LayerPolicy()]
        return CompressionSubject.uniform_choices(self.source, policies, data, self.methods, self.data.task)

    def _compressed(self, candidate: Candidate, device: torch.device) -> nn.Module:
        """The network of a candidate with rounded weights; the ranges of its activations are not calibrated yet."""
        source, quantizer = self.source, self.methods.quantizer
        if isinstance(source, TracedNetwork):
            given = self.given.subject(candidate.architecture).compress(candidate.policy).to(device)
            given.keep_rounded_weights()
            return given
        architecture = candidate.architecture
        network = source.extract(architecture, candidate.policy).to(device)
        compressed = apply_policy(network, source.space.layers(architecture), candidate.policy, quantizer)
        for module in compressed.modules():
            if isinstance(module, Layer):
                module.keep_rounded_weight()
        return compressed

    def _calibration_inputs(self, resolution: int, start: int, end: int) -> Tensor:
        """Inputs of a part of the calibration images, shape (end - start, channels, resolution, resolution).

        There are fewer where fewer are distilled.
        """
        if self._distilled is not None:
            return self._distilled[start:end].to(self._calibration.labels.device)
        pixels = 4 * self.data.channels * resolution**2  # bytes of an input
        if pixels * len(self._calibration) <= _MOST_KEPT:
            return self._kept_inputs(resolution)[start:end]
        part = self._calibration.take(slice(start, end))
        return self.transform.inputs(part.images.to(part.labels.device), resolution)

    def _resize_calibration(self, resolution: int) -> Tensor:
        images = self._calibration.images.to(self._calibration.labels.device)
        return self.transform.inputs(images, resolution)

    def calibration_data(self, count: int) -> CalibrationData:
        """Training samples as the given network reads them, with labels where they have some, in the CPU's memory.

        Where inputs are distilled it is these, which have none.

        Args:
            count: Number of samples; all that calibrate, where there are fewer.

        Raises:
            ValueError: If this realises candidates of a supernet, whose inputs have no one size.
        """
        if not isinstance(self.source, TracedNetwork):
            raise ValueError("calibration data is read for a given network, got a supernet")
        if self._distilled is not None:
            return CalibrationData(self._distilled[:count])
        ((_, shape),) = self.source.graph.inputs
        count = min(count, len(self._calibration))
        inputs = self._calibration_inputs(shape[-1], 0, count).cpu()  # where given networks lie, and are repaired
        return CalibrationData(inputs, self._calibration.labels[:count].cpu() if self.data.labelled else None)

    def measure(
        self, candidate: Candidate, metrics: Sequence[MeasuredMetric], fidelity: float = 1.0
    ) -> dict[str, float]:
        """Metrics of a candidate by name, from one pass over the validation images, or over the first of them.

        Args:
            candidate: The candidate.
            metrics: What is computed from the outputs.
            fidelity: Share of the images that calibrate and measure, above 0 and at most 1.
        """
        validation = self.data.validation
        images = validation.take(slice(0, math.ceil(fidelity * len(validation))))
        network, resolution = self.realize(candidate, fidelity), candidate.architecture.resolution
        needed = not all(one.needs_labels for one in metrics)
        references = self._kept_references(resolution)[: len(images)] if needed else None
        return self.measure_network(network, resolution, images, metrics, references)

    def measure_accuracy(self, candidate: Candidate, fidelity: float = 1.0) -> float:
        """Accuracy of a candidate in percent, measured as `measure` does.

        Args:
            candidate: The candidate.
            fidelity: Share of the images that calibrate and measure, above 0 and at most 1.
        """
        return self.measure(candidate, [_ACCURACY], fidelity)[_ACCURACY.metric.name]

    @torch.no_grad()
    def measure_network(
        self,
        network: Callable[[Tensor], Tensor],
        resolution: int,
        images: Split,
        metrics: Sequence[MeasuredMetric] = (_ACCURACY,),
        references: Tensor | None = None,
    ) -> dict[str, float]:
        """Metrics by name of a network, or of any other function from inputs to outputs, from one pass over samples.

        Every batch is read once, and run as it is and under each corruption that some metric asks for.

        Args:
            network: From inputs, shape (batch, channels, resolution, resolution), to outputs, shape (batch, outputs).
            resolution: Side in pixels of the inputs.
            images: The samples, one or more.
            metrics: The metrics that are computed from the outputs.
            references: The outputs of the given network for these samples, shape (n, outputs), where they are known.

        Raises:
            ValueError: If an output is not finite: the largest logit would be an answer like any other.
        """
        if references is None and not all(one.needs_labels for one in metrics):
            references = self._refer(images, resolution)
        found: dict[Corruption | None, list[Tensor]] = {one.corruption: [] for one in metrics}
        with one_thread():
            for number, start in enumerate(range(0, len(images), _EVALUATION_BATCH)):
                part = images.take(slice(start, start + _EVALUATION_BATCH))
                pixels = part.images.to(part.labels.device)
                for corruption, outputs in found.items():
                    seen = pixels if corruption is None else corruption.apply(pixels, number)
                    outputs.append(network(self.transform.inputs(seen, resolution)))
            whole = {corruption: torch.cat(outputs) for corruption, outputs in found.items()}
            if not all(bool(outputs.isfinite().all()) for outputs in whole.values()):
                raise ValueError("the outputs of the network are not finite for some images")
            values = {}
            for one in metrics:
                expected = images.labels if one.needs_labels else references
                assert expected is not None  # or it was computed above
                values[one.metric.name] = one.value(whole[one.corruption], expected)
            return values

    @torch.no_grad()
    def _refer(self, images: Split, resolution: int) -> Tensor:
        """The outputs of the given network for samples, shape (n, outputs)."""
        if not isinstance(self.source, TracedNetwork):
            raise ValueError("outputs are compared with those of a given network, got a supernet")
        network = self.source.network().to(images.labels.device)
        batches = self.transform.batches(images, resolution, _EVALUATION_BATCH)
        with one_thread():
            return torch.cat([network(inputs) for inputs, _ in batches])


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs a block on one compute thread of torch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
