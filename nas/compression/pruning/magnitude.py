"""Importance of channels by the size of their weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.compression.pruning.importance import Importance
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.channels.coupled_channels import FIXED, CoupledChannels


@dataclass(frozen=True)
class Magnitude(Importance):
    """The norm of all weights that write or read a channel, over the mean of its group.

    By the mean, groups can be compared, as DepGraph does it (Fang et al., CVPR 2023, section 3.3). It needs no data.
    """

    def score(self, subject: CompressionSubject, channels: CoupledChannels) -> FloatArray:
        """The norms, shape (channels,); those of a group have mean 1."""
        squares = np.zeros(channels.count)
        for layer in subject.traced.graph.layers:
            weight = subject.traced.parameters[layer.weight].detach().double().square()
            for axis, numbers in enumerate(channels.tensors[layer.weight]):
                if (numbers != FIXED).any():
                    others = [other for other in range(weight.dim()) if other != axis]
                    sums = weight.sum(others).cpu().numpy() if others else weight.cpu().numpy()
                    np.add.at(squares, numbers[numbers != FIXED], sums[numbers != FIXED])
        norms = np.sqrt(squares)
        for group in channels.groups:
            norms[group.channels] /= max(norms[group.channels].mean(), np.finfo(np.float64).tiny)
        return norms
