"""Damage as it is measured: by the outputs of networks in which one layer is compressed."""

from __future__ import annotations

from dataclasses import dataclass

from nas.compression.sensitivity.degradation import Degradation
from nas.compression.sensitivity.joint_degradation import PolicyDegradation
from nas.compression.sensitivity.sensitivity_metric import PolicyDamage, PolicywiseMetric
from nas.compression.subject import CompressionSubject
from nas.tasks.task import Task


@dataclass(frozen=True)
class MeasuredAlone(PolicywiseMetric):
    """The degradation of the outputs over all data, for each policy of each layer: weights and activations together.

    Every policy takes the pass of the layers behind the compressed one; those before it are run once for all. Where the
    network gets better by a policy, the damage is 0.

    Attributes:
        degradation: Compares the outputs with those of the trained network.
    """

    degradation: Degradation

    def check(self, subject: CompressionSubject) -> None:
        """What the degradation needs, see `Degradation.prepare`."""
        self.degradation.prepare(subject)

    def measure_policies(self, subject: CompressionSubject) -> PolicyDamage:
        """What measures the degradation by a policy, see `PolicyDegradation`.

        Args:
            subject: What is compressed; it has data.
        """
        return PolicyDegradation(subject, self.degradation)

    def find_degradation(self, task: Task | None) -> Degradation:  # noqa: ARG002
        """The degradation of the metric."""
        return self.degradation
