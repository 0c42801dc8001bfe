"""The damage of candidates with fewer channels or blocks than the given network, by their outputs against its own."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from nas.compression.repair.repair import outputs_on
from nas.compression.sensitivity.degradation import Degradation
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.subject import CompressionSubject
from nas.evaluation.realize import CandidateRealizer
from nas.tasks.task import Task
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.graph_network import GraphNetwork


class NarrowDamage:
    """Measures how much worse the outputs of candidates are, in the unit of a sensitivity metric.

    A candidate is made as it is to be measured and exported: fitted to the given network, and compressed by the recipe
    of the job. So what fitting makes up for is no damage.

    Args:
        realizer: Makes the candidates.
        subject: The given network, with the samples on which outputs are compared.
        metric: Name of the sensitivity metric.

    Raises:
        ValueError: If the metric is in a unit of its own, or needs what the subject has not.
    """

    def __init__(self, realizer: CandidateRealizer, subject: CompressionSubject, metric: str) -> None:
        self._realizer, self._subject, self._data = realizer, subject, subject.need_data()
        self._compare = need_degradation(metric, subject.task).prepare(subject)

    @torch.no_grad()
    def __call__(self, candidate: Candidate) -> float:
        """The mean degradation over all samples; below 0 if the network gets better."""
        subject = self._realizer.given.subject(candidate.architecture)
        compressed = any(policy != LayerPolicy() for policy in candidate.policy.layers)
        network = self._realizer.realize(candidate).cpu() if compressed else subject.traced.network()
        assert isinstance(network, GraphNetwork)
        found, total, at = outputs_on(network, self._data), 0.0, 0
        for inputs, labels in self._data.with_labels():
            rows = slice(at, at + len(inputs))
            total += len(inputs) * self._compare(found[rows], self._expected[rows], labels)
            at = rows.stop
        return total / at

    @cached_property
    def _expected(self) -> Tensor:
        """The outputs of the given network, shape (n, ...)."""
        return outputs_on(self._subject.traced.network(), self._data)


def need_degradation(metric: str, task: Task | None) -> Degradation:
    """What compares outputs in the unit of a sensitivity metric.

    Args:
        metric: Name of the metric.
        task: Says what outputs mean.

    Raises:
        ValueError: If the metric is in a unit of its own.
    """
    degradation = SENSITIVITY_METRICS[metric]().find_degradation(task)
    if degradation is None:
        raise ValueError(
            f"the damage of widths and blocks is told by outputs, and sensitivity metric {metric!r} is in a unit of "
            "its own; take output_distortion, output_divergence, measured_loss or repaired_divergence"
        )
    return degradation
