"""Damage as it is after repair: how far outputs move if one layer is compressed and fitted to the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nas.compression.repair.recipe import LIGHT, Recipe
from nas.compression.repair.repair import output_distance, outputs_on
from nas.compression.repair.repair_network import Repairer
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy


@dataclass(frozen=True)
class RepairedDivergence(SensitivityMetric):
    """The divergence of outputs if one layer is compressed by a recipe, in nats: KL(original, compressed).

    Of outputs that are no probabilities it is the squared error (`repair.output_distance`).
    The measure is that of ZeroQ (Cai et al., CVPR 2020, section 3.2), which rounds to nearest codes. What matters to an
    allocator whose policies are repaired is what is left after that: at 2 bits a hundredth of it, and in another order.
    No labels are needed.

    Attributes:
        recipe: How the layer is rounded.
        inputs: Number of inputs that are used, the first of the data.
    """

    recipe: Recipe = LIGHT
    inputs: int = 256

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The divergences of the policies of each layer, each of shape (policies,).

        Raises:
            ValueError: If the subject has no data.
        """
        few = replace(subject, data=subject.need_data().take(self.inputs))
        repairer, data = Repairer(few, self.recipe), few.need_data()
        expected = outputs_on(few.traced.network(), data).double()
        layers = len(subject.choices)

        def measure(index: int, policy: LayerPolicy) -> float:
            if policy == LayerPolicy():
                return 0.0
            alone: Sequence[LayerPolicy] = [policy if layer == index else LayerPolicy() for layer in range(layers)]
            found = outputs_on(repairer.repair(CompressionPolicy(tuple(alone))), data).double()
            return max(
                float(output_distance(expected, found, few.task)), 0.0
            )  # which rounding may make slightly negative

        return tuple(
            np.array([measure(index, policy) for policy in known]) for index, known in enumerate(subject.choices)
        )
