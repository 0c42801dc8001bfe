"""Subspaces of a joint space: some of the values of every gene are open, the others are closed.

A phase of a training draws its subnets from one, and each leaf of a split supernet serves one. Independent of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace
from search_spaces.layer_slot import LayerSlot
from search_spaces.layer_spec import LayerSpec
from search_spaces.population import Population
from search_spaces.value_selector import LARGEST, ValueSelector, select_values


@dataclass(frozen=True, eq=False)
class Subspace:
    """A joint space of which only some gene values are open.

    Attributes:
        space: The joint space.
        open: The open values of every gene, as rising indices into its values.
        probabilities: Probability with which each open value of every gene is drawn; None draws uniformly.
    """

    space: JointSpace
    open: tuple[tuple[int, ...], ...]
    probabilities: tuple[tuple[float, ...], ...] | None = None

    @classmethod
    def whole(cls, space: JointSpace) -> Subspace:
        """The subspace in which every value is open."""
        return cls(space, tuple(tuple(range(count)) for count in space.cardinalities))

    @classmethod
    def only(cls, space: JointSpace, candidate: Candidate) -> Subspace:
        """The subspace of one candidate.

        Args:
            space: The joint space.
            candidate: The only one that is open.

        Raises:
            ValueError: If the candidate is not of the space.
        """
        return cls(space, tuple((int(gene),) for gene in space.encode([candidate]).genes[0]))

    @classmethod
    def opened(cls, space: JointSpace, selectors: Mapping[str, ValueSelector]) -> Subspace:
        """The subspace of the largest network and of the values that selectors open.

        Args:
            space: The joint space.
            selectors: The open values, by dimension (`kernel`, `depth`, `resolution`, `policy`) or by single gene
                (`0.depth`), which takes precedence: `"all"`, `"largest N"` for the N values that make the largest
                networks, or a list of values. Other genes stay at their largest value, other policies at the first.

        Raises:
            ValueError: If the space has no such dimension or value.
        """
        return cls(space, select_values(space.name, space.genes, selectors, f"{LARGEST} 1"))

    def sample(self, rng: np.random.Generator, n: int) -> Population:
        """Draws candidates, every gene independently; inactive genes are then cleared.

        Args:
            rng: Source of the random numbers, of which one is taken for every gene of every candidate.
            n: Number of candidates.
        """
        steps = (rng.random((n, len(self.open)))[:, :, None] >= self._cumulative).sum(2)
        return self.space.population(self._table[np.arange(len(self.open)), steps])

    def largest(self) -> Candidate:
        """The last open value of every architecture gene, at the first open policy."""
        return self._corner(architecture=-1, policy=0)

    def smallest(self) -> Candidate:
        """The first open value of every architecture gene, at the last open policy."""
        return self._corner(architecture=0, policy=-1)

    def contains(self, population: Population) -> list[bool]:
        """Whether all active genes of a candidate have open values, for every candidate of a population."""
        opened = np.zeros((len(self.open), int(self.space.cardinalities.max())), dtype=np.bool_)
        for gene, values in enumerate(self.open):
            opened[gene, list(values)] = True
        fitting = opened[np.arange(len(self.open)), population.genes]
        return [bool(row.all()) for row in fitting | ~self.space.is_active(population.genes)]

    def is_always_active(self, gene: int) -> bool:
        """Whether the gene of an index is active in every candidate."""
        if self.space.genes[gene].is_policy:
            slot = self.space.architectures.slots[gene - len(self.space.architectures.choices)]
            return None not in self._slot_contents(slot)
        condition = self.space.architectures.choices[gene].active_when
        if condition is None:
            return True
        parent = self.space.architectures.choice_index[condition[0]]
        values = {self.space.genes[parent].values[value] for value in self.open[parent]}
        return self.is_always_active(parent) and values <= set(condition[1])

    def find_splittable_genes(self, dimensions: Sequence[str], groups: int, trained: Subspace) -> list[int]:
        """The genes by whose values this subspace may be split into a number of subspaces.

        Such a gene is active in every candidate, so that each candidate belongs to exactly one of these subspaces.

        Args:
            dimensions: The dimensions whose genes are considered.
            groups: Number of subspaces; a gene needs as many values.
            trained: The part of this subspace that is trained; all values of a gene must be open in it.
        """
        return [
            number
            for number, gene in enumerate(self.space.genes)
            if gene.dimension in dimensions
            and len(trained.open[number]) == len(gene.values) >= groups
            and self.is_always_active(number)
        ]

    def collect_layers(self, slot: LayerSlot) -> set[LayerSpec]:
        """Every layer that a slot may hold."""
        return {layer for layer in self._slot_contents(slot) if layer is not None}

    def restrict(self, gene: int, values: Sequence[int]) -> Subspace:
        """The subspace in which only some of the open values of one gene are left.

        Args:
            gene: Index of the gene.
            values: Indices of the values that are left; closed values among them stay closed.

        Raises:
            ValueError: If none of these values is open.
        """
        probabilities = None
        if self.probabilities is not None:
            pairs = zip(self.open[gene], self.probabilities[gene], strict=True)
            kept = [probability for value, probability in pairs if value in values]
            normalized = tuple(probability / sum(kept) for probability in kept)
            probabilities = (*self.probabilities[:gene], normalized, *self.probabilities[gene + 1 :])
        opened = tuple(value for value in self.open[gene] if value in values)
        if not opened:
            raise ValueError(f"none of the values {list(values)} of {self.space.genes[gene].name} is open")
        return Subspace(self.space, (*self.open[:gene], opened, *self.open[gene + 1 :]), probabilities)

    def confine_to(self, other: Subspace) -> Subspace:
        """The values that are open both here and in another subspace; if a gene has none, the largest value open there.

        So a training that opens few values still trains candidates of a leaf, or the one candidate of a fine-tuning.

        Raises:
            ValueError: If the space of the other subspace has other policies.
        """
        if other.space.policies != self.space.policies:
            leaf, wanted = other.space.policies.to_json(), self.space.policies.to_json()
            raise ValueError(f"a leaf of policies {leaf} cannot serve a space of policies {wanted}")
        both = []
        for gene, mine, theirs in zip(self.space.genes, self.open, other.open, strict=True):
            common = tuple(value for value in mine if value in theirs)
            both.append(common or (theirs[0 if gene.is_policy else -1],))
        return Subspace(self.space, tuple(both))

    def union(self, other: Subspace) -> Subspace:
        """The subspace in which the values that are open here or in another subspace are open; drawn uniformly."""
        pairs = zip(self.open, other.open, strict=True)
        return Subspace(self.space, tuple(tuple(sorted({*mine, *theirs})) for mine, theirs in pairs))

    def with_probabilities(self, weights: Mapping[int, Sequence[float]]) -> Subspace:
        """The same candidates, with other probabilities for the values of some genes.

        Args:
            weights: By the index of a gene, the weight of each of its values. The probabilities of its open values are
                proportional to their weights; genes that are not named are drawn uniformly.
        """
        probabilities = []
        for gene, values in enumerate(self.open):
            opened = np.array([weights[gene][value] if gene in weights else 1.0 for value in values])
            probabilities.append(tuple((opened / opened.sum()).tolist()))
        return replace(self, probabilities=tuple(probabilities))

    @property
    def lowest_weight_bits(self) -> int:
        """The fewest bits that an open policy gives to weights."""
        opened = self.open[len(self.space.architectures.choices) :]
        pairs = zip(self.space.slot_policies, opened, strict=True)
        return min(known[value].weight_bits for known, values in pairs for value in values)

    def _slot_contents(self, slot: LayerSlot) -> set[LayerSpec | None]:
        """The layers of a slot under all combinations of open values, and None among them if it can be empty."""
        choice_index, choices = self.space.architectures.choice_index, self.space.architectures.choices
        columns = [choice_index[gene] for gene in slot.genes]
        opened = [[choices[column].values[value] for value in self.open[column]] for column in columns]
        return {slot.layer(values) for values in product(*opened)}

    def _corner(self, architecture: int, policy: int) -> Candidate:
        """The candidate at one end of the open values: 0 for the first, -1 for the last; one for each kind of gene."""
        ends = [policy if gene.is_policy else architecture for gene in self.space.genes]
        return self.space.population([values[end] for values, end in zip(self.open, ends, strict=True)])[0]

    @cached_property
    def _table(self) -> NDArray[np.int16]:
        """Open values of every gene, padded, shape (d, most values)."""
        most = max(len(values) for values in self.open)
        return np.array([[*values, *[0] * (most - len(values))] for values in self.open], dtype=np.int16)

    @cached_property
    def _cumulative(self) -> NDArray[np.float64]:
        """Sums of the probabilities up to every open value but the last, padded with 1, shape (d, most values)."""
        table = np.ones(self._table.shape)
        for gene, values in enumerate(self.open):
            probabilities = self.probabilities[gene] if self.probabilities else [1 / len(values)] * len(values)
            table[gene, : len(values) - 1] = np.cumsum(probabilities)[:-1]
        return table
