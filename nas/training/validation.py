"""How good a few subnets are while a supernet is in training.

Measuring changes neither weights nor statistics nor any generator, so a training is the same with and without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from nas.data.splits import DataSplits
from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.tasks.metrics.registry import MEASURED_METRICS
from nas.training.random_streams import Stream, numpy_generator
from nas.training.recalibration import recalibrate_batch_norm
from nas.user_code import UserCodeError
from results.metric import METRICS
from search_spaces.candidate import Candidate
from search_spaces.elastic.supernet import Supernet
from search_spaces.subspace import Subspace

# Only a part of the images, to save time: these values are shown, and nothing is chosen by them.
_NORM_IMAGES, _NORM_BATCH = 500, 100
_IMAGES, _BATCH = 500, 250


@dataclass(frozen=True)
class SubnetQuality:
    """How good a few subnets are.

    Attributes:
        measured: The metric by name of the subnet; without those of which a user's code could not tell it.
        notes: Why it could not, a line each.
    """

    measured: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class SubnetValidation:
    """Measures the largest, the smallest and a random subnet on a part of the validation images.

    Args:
        data: The images: training images recalibrate batch norms, validation images tell how good subnets are.
        seed: Seed of the random subnet; in a phase, the random subnet is always the same.
        device: The torch device that the subnets run on.
        watched: What is measured; None is the headline metric of the task.

    Attributes:
        metric: Name and unit of what is measured; accuracy if nothing is, as the task has no headline metric.
    """

    def __init__(
        self, data: DataSplits, seed: int, device: torch.device, watched: MeasuredMetric | None = None
    ) -> None:
        self._data, self._seed, self._device = data, seed, device
        headline = data.task.headline
        self._watched = watched or (MEASURED_METRICS[headline] if headline else None)
        self.metric = METRICS["accuracy"] if self._watched is None else self._watched.metric

    def measure_subnets(self, supernet: Supernet, subspace: Subspace) -> SubnetQuality:
        """The metric of `largest`, `smallest` and `random`; of `network` alone where these are the same one.

        Each subnet takes the policies of its candidate; activations are rounded over the range of each batch.

        Args:
            supernet: The supernet in training.
            subspace: The part of the space that is trained.
        """
        if self._watched is None:
            return SubnetQuality()
        random = subspace.sample(numpy_generator(self._seed, Stream.VALIDATION), 1)[0]
        candidates = {"largest": subspace.largest(), "smallest": subspace.smallest(), "random": random}
        distinct = set(candidates.values())
        if len(distinct) == 1:
            candidates = {"network": random}
        networks = {one: supernet.extract(one.architecture, one.policy).to(self._device) for one in distinct}
        measured, notes = dict[Candidate, float](), dict[str, None]()
        for one in distinct:
            try:
                measured[one] = self._measure(networks[one], one.architecture.resolution, self._watched)
            except UserCodeError as error:  # what is only shown ends no training
                notes[f"{self.metric.name} could not be measured: {error}"] = None
        found = {name: measured[candidate] for name, candidate in candidates.items() if candidate in measured}
        return SubnetQuality(found, tuple(notes))

    @torch.no_grad()
    def _measure(self, network: nn.Module, resolution: int, watched: MeasuredMetric) -> float:
        train = self._data.train.take(slice(0, _NORM_IMAGES))
        whole = len(train) // _NORM_BATCH * _NORM_BATCH or len(train)
        norm_batches = self._data.transform.batches(train.take(slice(0, whole)), resolution, _NORM_BATCH)
        recalibrate_batch_norm(network, (inputs.to(self._device) for inputs, _ in norm_batches))
        network = self._data.task.finish_network(network).to(self._device)
        validation = self._data.validation.take(slice(0, _IMAGES))
        batches = self._data.transform.batches(validation, resolution, _BATCH)
        outputs = torch.cat([network(inputs.to(self._device)) for inputs, _ in batches])
        return watched.value(outputs, validation.labels.to(self._device))
