"""Which blocks a network is to lose, as an allocation: the damage of leaving them out, and budgets on what is left.

The layers of such an allocation are the blocks; the choices of each are 0, which keeps it, and 1, which leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
import torch

from nas.compression.allocation.allocation_problem import Budget
from nas.compression.pruning.narrow_network import remove_blocks
from nas.compression.pruning.pruner import Pruner
from nas.compression.repair.recipe import Recipe
from nas.compression.repair.repair import outputs_on
from nas.compression.sensitivity.degradation import Degradation, SquaredError
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.network_graph import NetworkGraph
from search_spaces.removable_blocks import RemovableBlocks


@dataclass(frozen=True)
class BlockDamage:
    """How much the outputs change without each block, all others there.

    By the squared error, and nothing fitted, it is the additive criterion of Zhang et al., "LAPTOP-Diff: Layer Pruning
    and Normalized Distillation for Compressing Diffusion Models", 2024, section 3.1; by the cosine (`CosineDistance`)
    it is the Macro Influence of a block of Pei et al., "FuseGPT", 2024. Sums over blocks are what
    `nas.compression.allocation` minimises.

    Attributes:
        degradation: Compares outputs with those of the whole network.
        recipe: How the layers that are left are fitted to the whole network (`Pruner`), so that what they make up for
            is no damage; None leaves them as they are.
    """

    degradation: Degradation = field(default_factory=SquaredError)
    recipe: Recipe | None = None

    def measure(self, subject: CompressionSubject, blocks: RemovableBlocks) -> tuple[FloatArray, ...]:
        """For each block the damage of keeping it, 0, and of leaving it out, shape (2,).

        Args:
            subject: The network and its calibration data.
            blocks: Its blocks.

        Raises:
            ValueError: If there are no blocks, or the degradation needs what the subject has not.
        """
        _check_any(blocks)
        judge = self.judge_allocations(subject, blocks)
        return tuple(np.array([0.0, max(judge(row), 0.0)]) for row in np.eye(len(blocks.blocks), dtype=int).tolist())

    def judge_allocations(
        self, subject: CompressionSubject, blocks: RemovableBlocks
    ) -> Callable[[Sequence[int]], float]:
        """A function that gives the damage of leaving out any blocks together, by 1 for each that is left out.

        Args:
            subject: The network and its calibration data.
            blocks: Its blocks.

        Raises:
            ValueError: If the degradation needs what the subject has not; of the function, as for `select_blocks`.
        """
        compare, traced, data = self.degradation.prepare(subject), subject.traced, subject.need_data()
        channels = CoupledChannels.from_graph(traced.graph)
        pruner = None if self.recipe is None else Pruner(subject, channels, self.recipe)
        with torch.no_grad():
            expected = outputs_on(traced.network(), data)

        @torch.no_grad()
        def judge(chosen: Sequence[int]) -> float:
            removed = select_blocks(blocks, chosen)
            if pruner is None:
                network = remove_blocks(traced, blocks, removed).network()
            else:
                network = pruner.prune(channels.keep_all(), removed=removed).network()
            return compare(outputs_on(network, data), expected, data.labels)

        return judge


def select_blocks(blocks: RemovableBlocks, chosen: Sequence[int]) -> tuple[str, ...]:
    """Names of the blocks that an allocation leaves out.

    Args:
        blocks: The blocks.
        chosen: For each block 1 if it is left out, else 0.

    Raises:
        ValueError: If there are not as many values as blocks, or one is neither 0 nor 1.
    """
    if len(chosen) != len(blocks.blocks):
        raise ValueError(
            f"an allocation of blocks has one value for each of {len(blocks.blocks)}, got {len(chosen)}; "
            "give 0 for each that stays and 1 for each that is left out"
        )
    if other := [out for out in chosen if out not in (0, 1)]:
        raise ValueError(f"a value of a block must be 0, which keeps it, or 1, which leaves it out, got {other[0]}")
    return tuple(block.name for block, out in zip(blocks.blocks, chosen, strict=True) if out)


def budget_blocks(blocks: RemovableBlocks, cost: str, most: float) -> Budget:
    """A budget on what is left of a network; exact, unless blocks share a tensor, which then counts as if it stayed.

    Args:
        blocks: The blocks.
        cost: `macs`, the multiply-accumulate operations for one input, or `parameters`, all stored elements.
        most: The upper bound.

    Raises:
        ValueError: If there are no blocks, or the cost is neither.
    """
    _check_any(blocks)
    if cost not in _COUNTS:
        raise ValueError(f"a budget of blocks is one of {' or '.join(_COUNTS)}, got {cost!r}")
    count = _COUNTS[cost]
    whole = count(blocks.graph)
    saved = [whole - count(blocks.remove([name])) for name in blocks.names]
    # what always stays is a part of the cost of the first block, whatever becomes of it
    tables = [np.array([one, 0.0]) + (whole - sum(saved)) * (number == 0) for number, one in enumerate(saved)]
    return Budget(cost, tuple(tables), most)


def _check_any(blocks: RemovableBlocks) -> None:
    """Refuses to allocate the blocks of a network that has none."""
    if not blocks.blocks:
        raise ValueError(
            "an allocation of blocks leaves out blocks between values of one shape through which all that follows must "
            "pass, and the network has none; allocate the policies of its layers"
        )


def _count_elements(graph: NetworkGraph) -> int:
    return sum(prod(shape) for shape in graph.parameter_shapes.values())


_COUNTS: Mapping[str, Callable[[NetworkGraph], int]] = {"macs": lambda graph: graph.macs, "parameters": _count_elements}
