"""The contract of sensitivity metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from nas.compression.sensitivity.degradation import Degradation
from nas.compression.sensitivity.policy_runs import compress_alone
from nas.compression.subject import CompressionSubject
from nas.tasks.task import Task
from search_spaces.additive_cost import FloatArray
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

PolicyDamage = Callable[[CompressionPolicy], float]  # a policy of all layers to the damage that it does


class SensitivityMetric(ABC):
    """Estimates the damage to a network if a policy compresses one of its layers alone.

    The contract, which tests check for all registered metrics: Damage is finite and not negative, and 0 where a policy
    leaves a layer as it is. It is the same each time, and the network is not changed. Allocators minimise the sum of
    damages over layers, as if layers were independent. Metrics are frozen dataclasses; one that draws random numbers
    has a seed. What `check` lets pass is measured, and what it refuses is refused by the other methods in its words.

    Attributes:
        fits: Whether layers are fitted for each policy that is measured, which takes many times as long as running it.
    """

    fits: ClassVar[bool] = False

    def check(self, subject: CompressionSubject) -> None:
        """Makes sure, without any work, that a subject has what the metric needs: data, or what the metric says.

        Args:
            subject: What is to be compressed; the values of its data and its choices do not count.

        Raises:
            ValueError: If it has not.
        """
        subject.need_data()

    @abstractmethod
    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the choices of every layer, float64, each of shape (choices of the layer,).

        Raises:
            ValueError: If the metric needs what the subject has not, see `check`.
        """

    def measure_policies(self, subject: CompressionSubject) -> PolicyDamage | None:  # noqa: ARG002
        """What measures the damage of any policy of the network, if the metric looks at policies one by one.

        The damage of a choice is then what is measured of the policy that compresses its layer alone, but for what is
        below 0, so any number of workers can share them. What measures is made without work; the choices of the subject
        do not count.

        Args:
            subject: What is compressed.

        Returns:
            A function of a policy; None for a metric that finds the damage of all choices together.

        Raises:
            ValueError: If the metric needs what the subject has not, see `check`.
        """
        return None

    def find_degradation(self, task: Task | None) -> Degradation | None:  # noqa: ARG002
        """What compares outputs in the unit of the damage; so the damage of any network can be measured, narrower ones.

        Args:
            task: Says what outputs mean.

        Returns:
            The degradation; None for a metric whose damage is in a unit of its own.
        """
        return None


class PolicywiseMetric(SensitivityMetric):
    """A metric that looks at policies one by one."""

    @abstractmethod
    def measure_policies(self, subject: CompressionSubject) -> PolicyDamage:
        """What measures the damage of any policy of the network.

        Args:
            subject: What is compressed.

        Raises:
            ValueError: If the metric needs what the subject has not, see `check`.
        """

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """What is measured of each choice of each layer alone, each of shape (choices,); 0 where it is less."""
        measure, layers, neutral = self.measure_policies(subject), len(subject.choices), LayerPolicy()

        def find(index: int, policy: LayerPolicy) -> float:
            return 0.0 if policy == neutral else max(measure(compress_alone(layers, index, policy)), 0.0)

        return tuple(np.array([find(index, policy) for policy in known]) for index, known in enumerate(subject.choices))
