"""Damage as it is after repair: how far outputs move if one layer is compressed and fitted to the original."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from nas.compression.repair.recipe import LIGHT, Recipe
from nas.compression.repair.repair import output_distance, outputs_on
from nas.compression.repair.repair_network import Repairer
from nas.compression.sensitivity.degradation import Degradation, find_output_degradation
from nas.compression.sensitivity.sensitivity_metric import PolicyDamage, PolicywiseMetric
from nas.compression.subject import CompressionSubject
from nas.tasks.task import Task
from search_spaces.compression_policy import CompressionPolicy


@dataclass(frozen=True)
class RepairedDivergence(PolicywiseMetric):
    """The divergence of outputs if one layer is compressed by a recipe, in nats: KL(original, compressed).

    Of outputs that are no probabilities it is the squared error (`repair.output_distance`).
    The measure is that of ZeroQ (Cai et al., CVPR 2020, section 3.2), which rounds to nearest codes. What matters to an
    allocator whose policies are repaired is what is left after that: at 2 bits a hundredth of it, and in another order.
    No labels are needed.

    Attributes:
        recipe: How the layer is equalised, rounded and repaired; None takes that of the methods of the subject, by
            which its candidates are made, or `LIGHT` where they have none.
        inputs: Number of inputs that are used, the first of the data.
    """

    fits = True
    recipe: Recipe | None = None
    inputs: int = 256

    def measure_policies(self, subject: CompressionSubject) -> PolicyDamage:
        """What measures the divergence by a repaired policy, which rounding may make slightly negative.

        Args:
            subject: What is compressed; it has data.
        """
        recipe = self.recipe or subject.methods.repair or LIGHT
        return _RepairedPolicies(replace(subject, data=subject.need_data().take(self.inputs)), recipe)

    def find_degradation(self, task: Task | None) -> Degradation:
        """The divergence, or the squared error of outputs that are no probabilities."""
        return find_output_degradation(task)


class _RepairedPolicies:
    """Repairs a network under policies, and measures how far its outputs move; the original is run once.

    Args:
        subject: What is compressed; it has data.
        recipe: How layers are rounded.
    """

    def __init__(self, subject: CompressionSubject, recipe: Recipe) -> None:
        self._subject, self._recipe, self._data = subject, recipe, subject.need_data()

    def __call__(self, policy: CompressionPolicy) -> float:
        found = self._repairer.fit_outputs(policy).double()
        return float(output_distance(self._expected, found, self._subject.task))

    @cached_property
    def _repairer(self) -> Repairer:
        return Repairer(self._subject, self._recipe)

    @cached_property
    def _expected(self) -> Tensor:
        return outputs_on(self._subject.traced.network(), self._data).double()
