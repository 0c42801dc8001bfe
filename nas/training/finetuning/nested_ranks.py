"""Training of layers of low rank so that every smaller rank is usable, too."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from nas.compression.low_rank.truncation import list_factors
from nas.tasks.task import Task
from nas.training.random_streams import Stream, numpy_generator
from nas.training.step.distillation import distill
from search_spaces.elastic.graph_network import GraphNetwork

_LEAST_POWER = 1e-12  # of what is left of a factor, so that the gradient of its norm is finite where it is 0


@dataclass(frozen=True)
class NestedRanks:
    """Orders the components of layers of low rank, and of corrections, by what they contribute.

    In every step one layer is cut to one rank, drawn uniformly from all pairs of both, and what the network then yields
    is fitted to what it yields with all components (Horváth et al., "Maestro: Uncovering Low-Rank Structures via
    Trainable Decomposition", ICML 2024, section 3). So the first components learn what matters most. For a linear map
    they become its singular vectors in their order. Components are not removed meanwhile, as the paper does; what is
    left of those that count for nothing is found and removed afterwards (`nas.compression.low_rank.truncation`).

    Attributes:
        penalty: Factor of the hierarchical group lasso, 0 or above: the sum over components of the norms of all rows of
            the first factor, and of all columns of the second, from that component on.

    Raises:
        ValueError: If the penalty is negative, infinite or NaN.
    """

    penalty: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 <= self.penalty < math.inf:
            raise ValueError(f"the penalty of nested ranks must be a number of 0 or above, got {self.penalty}")


class NestedLoss:
    """What nested ranks add to the loss of a step.

    Args:
        network: A compressed network, ready to be trained: steps that are learnt are parametrisations already.
        nested: How ranks are nested.
        task: Says what outputs mean.
        seed: Of the layers and ranks that are drawn.

    Raises:
        ValueError: If no layer of the network has factors.
    """

    def __init__(self, network: GraphNetwork, nested: NestedRanks, task: Task, seed: int) -> None:
        self._network, self._nested, self._task, self._seed = network, nested, task, seed
        self._parameters = dict(network.named_parameters())
        self._factors = [tuple(map(self._find, pair)) for pair in list_factors(network.graph).values()]
        ranks = [len(self._parameters[first]) for first, _ in self._factors]
        if not ranks:
            raise ValueError("ranks are nested in layers of low rank, or in corrections, and the network has neither")
        self._cuts = [(layer, rank) for layer, whole in enumerate(ranks) for rank in range(1, whole)]

    def __call__(self, step: int, inputs: Tensor, outputs: Tensor) -> Tensor:
        """The divergence of the outputs of the cut network from those of the whole one, and the penalty: a scalar.

        Args:
            step: Index of the step, which names what is drawn.
            inputs: Shape (batch, ...).
            outputs: What the whole network yields for them, shape (batch, ...); detached.
        """
        loss = self._nested.penalty * sum((self._norms(*pair) for pair in self._factors), start=torch.zeros(()))
        if not self._cuts:
            return loss
        generator = numpy_generator(self._seed, Stream.RANKS, step)
        layer, rank = self._cuts[int(generator.integers(len(self._cuts)))]
        name, _ = self._factors[layer]
        first = self._parameters[name]
        kept = torch.arange(len(first)) < rank
        # a row of zeros is one of zero codes, so nothing reaches the columns of the second factor that read it
        cut = {name: first * kept.view(-1, *[1] * (first.dim() - 1))}
        found = functional_call(self._network, cut, (inputs,))
        return loss + distill(self._task, "kl", found, outputs.detach())

    def _find(self, weight: str) -> str:
        """The name under which a weight is trained: that of the original of its parametrisation, if it is rounded."""
        attribute = self._network.attribute(weight)
        return attribute if attribute in self._parameters else f"parametrizations.{attribute}.original"

    def _norms(self, first: str, second: str) -> Tensor:
        """The hierarchical norms of two factors, summed: a scalar."""
        rows, columns = self._parameters[first].flatten(1), self._parameters[second].flatten(1).mT
        powers = torch.stack([rows.square().sum(1), columns.square().sum(1)])
        left = powers.flip(1).cumsum(1)  # of the last component, of the last two, and so on
        return (left + _LEAST_POWER).sqrt().sum()
