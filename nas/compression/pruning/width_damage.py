"""The damage of widths as it is measured: by the outputs of networks in which one group of channels is narrower."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nas.compression.calibration_data import CalibrationData
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
    def measure(self, subject: CompressionSubject, widths: Widths) -> tuple[FloatArray, ...]:
        """The damage of the widths of each group while all others have all channels, each of shape (widths,).

        Args:
            subject: The network and its calibration data.
            widths: The widths of its groups.

        Raises:
            ValueError: If the subject has no data.
        """
        judge = self._judge(subject, widths, subject.need_data(), readers_alone=True)
        damage = tuple(np.zeros(len(known)) for known in widths.choices)
        for group, known in enumerate(widths.choices):
            for choice in range(1, len(known)):
                damage[group][choice] = max(judge([choice if one == group else 0 for one in range(len(damage))]), 0.0)
        return damage

    def judge_allocations(
        self, subject: CompressionSubject, widths: Widths, judged: CalibrationData
    ) -> Callable[[Sequence[int]], float]:
        """A function that gives the damage of any widths of all groups together, by the indices of their choices.

        All layers are fitted, for all make up for what is wrong before them. `allocate_in_trust_region` calls it.

        Args:
            subject: The network and the calibration data to which layers are fitted.
            widths: The widths of its groups.
            judged: Inputs by which networks are judged; others than those to which they are fitted tell more.

        Raises:
            ValueError: If the subject has no data.
        """
        return self._judge(subject, widths, judged, readers_alone=False)

    def _judge(
        self, subject: CompressionSubject, widths: Widths, data: CalibrationData, readers_alone: bool
    ) -> Callable[[Sequence[int]], float]:
        pruner, expected = Pruner(subject, widths.channels, self.recipe), outputs_on(subject.traced.network(), data)

        @torch.no_grad()
        def judge(chosen: Sequence[int]) -> float:
            network = pruner.prune(widths.keep_chosen(chosen), readers_alone).network()
            return float(output_distance(expected, outputs_on(network, data), subject.task))

        return judge
