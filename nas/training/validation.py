"""How well a supernet in training does: the accuracy of a few of its subnets, in floating point.

Measuring changes neither weights nor statistics nor any generator, so a training is the same with and without it.
"""

from __future__ import annotations

import torch
from torch import nn

from nas.data.images import ImageData
from nas.training.random_streams import Stream, numpy_generator
from nas.training.recalibration import measure_accuracy, recalibrate_batch_norm
from search_spaces.elastic.supernet import Supernet
from search_spaces.subspace import Subspace

# Few images, for it happens some twenty times in a training; the accuracies that count are measured on all of them.
_NORM_IMAGES, _NORM_BATCH = 500, 100
_IMAGES, _BATCH = 500, 250


class SubnetValidation:
    """Measures the largest, the smallest and a random subnet on a part of the validation images.

    Args:
        data: Training images re-calibrate batch norm, validation images measure.
        seed: Of the random subnet, which is the same each time.
        device: Where it runs.
    """

    def __init__(self, data: ImageData, seed: int, device: torch.device) -> None:
        self._data, self._seed, self._device = data, seed, device

    def measure_accuracies(self, supernet: Supernet, subspace: Subspace) -> dict[str, float]:
        """Accuracy in percent by name of the subnet; where there is only one, its name is `network`.

        Args:
            supernet: In training.
            subspace: What is trained, of which the subnets are the largest, the smallest and a random one.
        """
        random = subspace.sample(numpy_generator(self._seed, Stream.VALIDATION), 1)[0]
        candidates = {"largest": subspace.largest(), "smallest": subspace.smallest(), "random": random}
        distinct = set(candidates.values())
        if len(distinct) == 1:
            candidates = {"network": random}
        networks = {one: supernet.extract(one.architecture, one.policy).to(self._device) for one in distinct}
        measured = {one: self._measure(network, one.architecture.resolution) for one, network in networks.items()}
        return {name: measured[candidate] for name, candidate in candidates.items()}

    def _measure(self, network: nn.Module, resolution: int) -> float:
        inputs = self._data.normalization.inputs(self._data.train.images[:_NORM_IMAGES], resolution).to(self._device)
        whole = len(inputs) // _NORM_BATCH * _NORM_BATCH
        recalibrate_batch_norm(network, inputs[:whole].split(_NORM_BATCH) if whole else [inputs])
        batches = self._data.normalization.batches(self._data.validation.take(slice(0, _IMAGES)), resolution, _BATCH)
        return measure_accuracy(network, ((x.to(self._device), y.to(self._device)) for x, y in batches))
