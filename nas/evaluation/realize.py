"""Turns a candidate into a network that is ready to be measured or exported.

In: a trained supernet or a given network, images and a candidate. Out: a calibrated network, or its measured accuracy.
Knows no search, database or place of execution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor, nn

from nas.compression.compress import apply_policy, calibrate
from nas.compression.methods import DEFAULT_METHODS, CompressionMethods
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork
from nas.data.images import ImageData, ImageSet
from nas.training.recalibration import accuracy_percent, recalibrate_batch_norm
from search_spaces.candidate import Candidate
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.supernet import Supernet

_NORM_IMAGES, _NORM_BATCH = 2000, 200  # batch-norm re-calibration of once-for-all
_RANGE_IMAGES = 256
_EVALUATION_BATCH = 64  # larger ones leave the caches, and take a fifth longer
_CACHED_RESOLUTIONS = 4


class CandidateRealizer:
    """Extracts, compresses, re-calibrates and measures candidates of one supernet, or of a given network.

    Every step is deterministic and runs on one thread, so a candidate gives the same figure wherever it is measured.

    Args:
        source: The trained supernet, or the given network; not changed.
        data: Training images calibrate, validation images measure.
        methods: How candidates are compressed.
    """

    def __init__(
        self, source: Supernet | TracedNetwork, data: ImageData, methods: CompressionMethods = DEFAULT_METHODS
    ) -> None:
        self.source, self._methods = source, methods
        self.data = data
        self.normalization = data.normalization
        self._calibration_inputs = lru_cache(maxsize=_CACHED_RESOLUTIONS)(self._resized_training_images)

    def network(self, candidate: Candidate, fidelity: float = 1.0) -> nn.Module:
        """The candidate as a stand-alone network, calibrated with a share of the images for that."""
        architecture = candidate.architecture
        inputs = _first(fidelity, self._calibration_inputs(architecture.resolution))
        with one_thread():
            compressed = self._compressed(candidate, inputs.device)
            whole_batches = [batch for batch in inputs.split(_NORM_BATCH) if len(batch) == _NORM_BATCH]
            # after rounding: the statistics of the full weights would undo what the rounded ones were trained to
            recalibrate_batch_norm(compressed, whole_batches or [inputs])
            calibrate(compressed, [inputs[:_RANGE_IMAGES]], self._methods.observer)
        return compressed

    def _compressed(self, candidate: Candidate, device: torch.device) -> nn.Module:
        """The network of a candidate, its weights rounded for good and its activations to be calibrated."""
        source, quantizer = self.source, self._methods.quantizer
        if isinstance(source, TracedNetwork):
            given = compress(source, candidate.policy, quantizer).to(device)
            given.keep_rounded_weights()
            return given
        architecture = candidate.architecture
        network = source.extract(architecture, candidate.policy).to(device)
        compressed = apply_policy(network, source.space.layers(architecture), candidate.policy, quantizer)
        for module in compressed.modules():
            if isinstance(module, Layer):
                module.keep_rounded_weight()
        return compressed

    def _resized_training_images(self, resolution: int) -> Tensor:
        return self.normalization.inputs(self.data.train.images[:_NORM_IMAGES], resolution)

    def accuracy(self, candidate: Candidate, fidelity: float = 1.0) -> float:
        """Accuracy in percent on the validation images, or on the first of them.

        Args:
            candidate: The candidate.
            fidelity: Share of the images that calibrate and measure, above 0 and at most 1.
        """
        validation = self.data.validation
        images = ImageSet(_first(fidelity, validation.images), _first(fidelity, validation.labels))
        return self.accuracy_of(self.network(candidate, fidelity), candidate.architecture.resolution, images)

    def accuracy_of(self, network: Callable[[Tensor], Tensor], resolution: int, images: ImageSet) -> float:
        """Accuracy in percent of a realised network, or of whatever else gives logits for inputs."""
        with one_thread():
            return accuracy_percent(network, self.normalization.batches(images, resolution, _EVALUATION_BATCH))


def _first(share: float, rows: Tensor) -> Tensor:
    return rows[: math.ceil(share * len(rows))]


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs a block on one compute thread of torch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
