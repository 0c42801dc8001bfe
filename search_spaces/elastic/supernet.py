"""Supernets: every network of a space in one module, on one set of shared weights or on several.

Independent of families, training and search.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from search_spaces.candidate import Architecture, Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.shared_weights import SharedWeights
from search_spaces.search_space import SearchSpace
from search_spaces.subspace import Subspace


class Supernet(nn.Module):
    """All networks of a space.

    A one-shot supernet has one leaf. A split one is a tree of sub-supernets, of which only the leaves are kept: each
    serves the candidates of its own subspace (Hu et al., "Generalizing Few-Shot NAS with Gradient Matching", ICLR
    2022). Whoever runs or extracts candidates need not know which of the two it is.

    Args:
        weights: The shared weights of the one leaf.

    Attributes:
        leaves: The shared weights of every leaf.
        leaf_subspaces: The subspace that each leaf serves; empty while there is one leaf, which serves all.
    """

    def __init__(self, weights: SharedWeights) -> None:
        super().__init__()
        self.leaves = nn.ModuleList([weights])
        self.leaf_subspaces: tuple[Subspace, ...] = ()

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return self._weights(0).space

    def forward(
        self,
        inputs: Tensor,
        architecture: Architecture,
        policy: CompressionPolicy | None = None,
        drop: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Logits, shape (batch, classes), of a candidate on the weights of its leaf; see `SharedWeights.forward`."""
        logits: Tensor = self.weights_for(architecture, policy)(inputs, architecture, policy, drop)
        return logits

    def extract(self, architecture: Architecture, policy: CompressionPolicy | None = None) -> nn.Module:
        """A stand-alone copy of one subnet with weights of its own, in evaluation mode.

        Args:
            architecture: The subnet.
            policy: The policy that the subnet will get. It only decides on the leaf; nothing is quantised here.
        """
        return self.weights_for(architecture, policy).extract(architecture)

    def weights_for(self, architecture: Architecture, policy: CompressionPolicy | None = None) -> SharedWeights:
        """The shared weights of the leaf whose subspace contains a candidate.

        Args:
            architecture: Architecture of the candidate.
            policy: Policy of the candidate; None leaves all layers as they are.

        Raises:
            ValueError: If no leaf contains the candidate.
        """
        if not self.leaf_subspaces:
            return self._weights(0)
        neutral = CompressionPolicy((LayerPolicy(),) * len(self.space.layers(architecture)))
        candidate = Candidate(architecture, policy or neutral)
        encoded = self.leaf_subspaces[0].space.encode([candidate])
        for number, subspace in enumerate(self.leaf_subspaces):
            if subspace.contains(encoded)[0]:
                return self._weights(number)
        raise ValueError(f"no leaf of the split supernet serves candidate {candidate.key}: {candidate.to_json()}")

    def sort_channels(self, trained: Subspace | None = None) -> None:
        """Reorders the elastic channels of every leaf; see `SharedWeights.sort_channels`."""
        for number in range(len(self.leaves)):
            self._weights(number).sort_channels(trained)

    def learn_weight_steps(self, lowest_bits: int) -> None:
        """Gives every layer of every leaf a learnt quantisation step; see `SharedWeights.learn_weight_steps`."""
        for number in range(len(self.leaves)):
            self._weights(number).learn_weight_steps(lowest_bits)

    def split(self, leaves: Sequence[tuple[int, Subspace]]) -> None:
        """Replaces the leaves by new ones.

        Args:
            leaves: For every new leaf, the index of the present leaf whose weights it copies, and its subspace.
        """
        self.leaves = nn.ModuleList(copy.deepcopy(self._weights(parent)) for parent, _ in leaves)
        self.leaf_subspaces = tuple(subspace for _, subspace in leaves)

    @property
    def learns_weight_steps(self) -> bool:
        """Whether its layers have learnt quantisation steps."""
        return self._weights(0).learns_weight_steps

    def replace_leaves(self, other: Supernet) -> None:
        """Takes over the leaves of another supernet of the same space."""
        self.leaves, self.leaf_subspaces = other.leaves, other.leaf_subspaces

    def _weights(self, number: int) -> SharedWeights:
        leaf = self.leaves[number]
        assert isinstance(leaf, SharedWeights)
        return leaf


def build_supernet(space: SearchSpace, seed: int) -> Supernet:
    """A fresh supernet of a space.

    Args:
        space: The search space.
        seed: Seed of the initial weights.

    Raises:
        ValueError: If the space has no layers, as a table has none, or no choices, as a given network has none.
    """
    if not space.slots or not space.choices:
        lacking = "choices" if space.slots else "layers"
        raise ValueError(f"the networks of space {space.name!r} have no {lacking}, so there is no supernet of them")
    return Supernet(SharedWeights(space, seed))
