"""An order of layers by how much they change what they read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.compression.sensitivity.ordinal_damage import rank_damage
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution

_SHAPE_CHANGED = 1.0  # the largest score: what has no direction in common


@dataclass(frozen=True)
class InputOutputSimilarity(SensitivityMetric):
    """LIM of Dumitru et al., "Layer-Wise Quantization", 2024: layers whose outputs differ most from inputs matter most.

    The score is minus the cosine of input and output, over channels, mean over positions and samples: -1 for a layer
    that passes on what it reads, 1 for one that turns its sign. The paper takes whole blocks for layers, which keep the
    shape; of single layers, one that changes it has score 1 here. Several calls of a layer count as their mean. The
    damage is that of an order, see `rank_damage`; activations are not considered.
    """

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the policies of each layer, each of shape (policies,)."""
        return rank_damage(subject, self.score(subject))

    def score(self, subject: CompressionSubject) -> FloatArray:
        """The score of each layer, from -1 to 1, shape (layers,).

        Args:
            subject: A network with data.
        """
        data, network = subject.need_data(), TappedNetwork(subject.traced)
        total = np.zeros(len(subject.choices))
        for inputs in data:
            network.forward(inputs)
            for index, layer in enumerate(subject.traced.graph.layers):
                calls = [(unit.call.operator, *network.read_and_written(unit.call)) for unit in layer.units]
                total[index] += float(np.mean([_score(*one) for one in calls])) * len(inputs) / len(data)
        return total


@torch.no_grad()
def _score(operator: Operator, read: Tensor, written: Tensor) -> float:
    if read.shape != written.shape:
        return _SHAPE_CHANGED
    channels = -len(operator.kernel) - 1 if isinstance(operator, Convolution) else -1
    return -float(F.cosine_similarity(read.double(), written.double(), dim=channels).mean())
