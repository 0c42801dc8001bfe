"""The accuracy of a few subnets while a supernet is in training.

Measuring changes neither weights nor statistics nor any generator, so a training is the same with and without it.
"""

from __future__ import annotations

import torch
from torch import nn

from nas.data.splits import DataSplits
from nas.training.random_streams import Stream, numpy_generator
from nas.training.recalibration import measure_accuracy, recalibrate_batch_norm
from search_spaces.elastic.supernet import Supernet
from search_spaces.subspace import Subspace

# Only a part of the images, to save time: these accuracies are shown, and nothing is chosen by them.
_NORM_IMAGES, _NORM_BATCH = 500, 100
_IMAGES, _BATCH = 500, 250


class SubnetValidation:
    """Measures the largest, the smallest and a random subnet on a part of the validation images.

    Args:
        data: The images: training images recalibrate batch norms, validation images give the accuracies.
        seed: Seed of the random subnet; in a phase, the random subnet is always the same.
        device: The torch device that the subnets run on.
    """

    def __init__(self, data: DataSplits, seed: int, device: torch.device) -> None:
        self._data, self._seed, self._device = data, seed, device

    def measure_accuracies(self, supernet: Supernet, subspace: Subspace) -> dict[str, float]:
        """Accuracy in percent of `largest`, `smallest` and `random`; of `network` alone where these are the same one.

        Each subnet takes the policies of its candidate; activations are rounded over the range of each batch.

        Args:
            supernet: The supernet in training.
            subspace: The part of the space that is trained.
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
        train = self._data.train.take(slice(0, _NORM_IMAGES))
        whole = len(train) // _NORM_BATCH * _NORM_BATCH or len(train)
        norm_batches = self._data.normalization.batches(train.take(slice(0, whole)), resolution, _NORM_BATCH)
        recalibrate_batch_norm(network, (inputs.to(self._device) for inputs, _ in norm_batches))
        batches = self._data.normalization.batches(self._data.validation.take(slice(0, _IMAGES)), resolution, _BATCH)
        return measure_accuracy(network, ((x.to(self._device), y.to(self._device)) for x, y in batches))
