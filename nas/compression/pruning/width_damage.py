"""The damage of widths as it is measured: by the outputs of networks in which one group of channels is narrower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nas.compression.pruning.pruner import Pruner
from nas.compression.pruning.widths import Widths
from nas.compression.repair.recipe import LIGHT, Recipe
from nas.compression.repair.repair import output_distance, outputs_on
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


@dataclass(frozen=True)
class WidthDamage:
    """How much further outputs are from those of the whole network for each width of each group, others unchanged.

    Each network is fitted (`Pruner`), so the damage is what repair does not remove. It is the
    `repair.output_distance`: a divergence, or a squared error. Sums over groups are what `nas.compression.allocation`
    minimises. Source of the idea: Xu et al., "Efficient joint optimization of layer-adaptive weight pruning in deep
    neural networks", ICCV 2023, section 3.2, by widths instead of single weights.

    Attributes:
        recipe: How layers are fitted.
    """

    recipe: Recipe = LIGHT

    @torch.no_grad()
    def measure(
        self, subject: CompressionSubject, widths: Widths, around: Sequence[int] | None = None
    ) -> tuple[FloatArray, ...]:
        """The damage of the widths of each group, each of shape (widths,).

        Args:
            subject: The network and its calibration data.
            widths: The widths of its groups.
            around: The index of the width that each group has while that of another is changed; by default all have all
                channels. An allocation that is far from these is told better by damages around one that is near. They
                are negative for wider groups.

        Raises:
            ValueError: If the subject has no data.
        """
        pruner, data = Pruner(subject, widths.channels, self.recipe), subject.need_data()
        expected = outputs_on(subject.traced.network(), data)
        start = [0] * len(widths.choices) if around is None else [*around]

        def measure(chosen: Sequence[int]) -> float:
            network = pruner.prune(widths.keep_chosen(chosen), readers_alone=around is None).network()
            return float(output_distance(expected, outputs_on(network, data), subject.task))

        present = 0.0 if around is None else measure(start)
        damage = tuple(np.zeros(len(known)) for known in widths.choices)
        for group, known in enumerate(widths.choices):
            for choice in range(len(known)):
                if choice != start[group]:
                    found = measure([*start[:group], choice, *start[group + 1 :]]) - present
                    damage[group][choice] = found if around is not None else max(found, 0.0)
        return damage
