"""The degradation of whole policies, measured by running the compressed networks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from nas.compression.sensitivity.degradation import Degradation
from nas.compression.sensitivity.policy_runs import PolicyRuns
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.compression_policy import CompressionPolicy


class PolicyDegradation:
    """Measures the mean degradation over all data of a network under policies; the trained network is run once.

    Args:
        subject: What is compressed; it has data.
        degradation: Compares the outputs with those of the trained network.

    Raises:
        ValueError: If the degradation needs what the subject has not.
    """

    def __init__(self, subject: CompressionSubject, degradation: Degradation) -> None:
        self._compare, self._data = degradation.prepare(subject), subject.need_data()
        self._runs = PolicyRuns(subject)

    @torch.no_grad()
    def __call__(self, policy: CompressionPolicy) -> float:
        """The mean degradation over all samples, in the unit of the degradation; below 0 if the network gets better.

        Args:
            policy: One entry for each of the layers of the network.
        """
        batches = zip(self._data.with_labels(), self._runs.run(policy), self._runs.trained, strict=True)
        parts = [len(x) * self._compare(found.outputs, as_trained.outputs, y) for (x, y), found, as_trained in batches]
        return sum(parts) / len(self._data)


def measure_degradations(
    subject: CompressionSubject, chosen: Iterable[tuple[int, ...]], degradation: Degradation
) -> FloatArray:
    """The mean degradation over all data of networks that are compressed as a whole, shape (allocations,).

    Args:
        subject: What is compressed; it has data.
        chosen: Allocations: for each layer the index of its policy among its choices.
        degradation: Compares the outputs with those of the trained network.
    """
    measure = PolicyDegradation(subject, degradation)
    return np.array([measure(subject.policy(one)) for one in chosen])
