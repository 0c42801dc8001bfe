"""Damage as it is measured: by the outputs of networks in which one layer is compressed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nas.compression.sensitivity.degradation import Degradation
from nas.compression.sensitivity.layer_variants import LayerVariants, join_outputs
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


@dataclass(frozen=True)
class MeasuredAlone(SensitivityMetric):
    """The degradation of the outputs over all data, for each policy of each layer: weights and activations together.

    Every policy takes the pass of the layers behind the compressed one; those before it are run once for all. Where the
    network gets better by a policy, the damage is 0.

    Attributes:
        degradation: Compares the outputs with those of the trained network.
    """

    degradation: Degradation

    @torch.no_grad()
    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The mean degradation over all samples, in the unit of `degradation`, each of shape (policies,)."""
        compare = self.degradation.prepare(subject)
        data, plain, variants = subject.need_data(), subject.traced.network(), LayerVariants(subject)
        found = tuple(np.zeros(len(known)) for known in subject.choices)
        for inputs, labels in data.with_labels():
            reference = join_outputs(plain(inputs))
            for variant, outputs in variants.run(inputs):
                share = len(inputs) / len(data)
                found[variant.layer][variant.choice] += share * compare(outputs, reference, labels)
        return tuple(np.maximum(values, 0.0) for values in found)
