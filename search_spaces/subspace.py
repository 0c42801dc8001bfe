"""Part of a joint space: some of the values of every gene are open, the others are closed.

In: a joint space and what is open. Out: `Subspace`, from which training and leaves of a split supernet draw.
Knows no supernet and no schedule.
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
        open: The open values of every gene, as rising indices into its domain.
        odds: Chance of each open value of every gene when candidates are drawn; None draws uniformly.
    """

    space: JointSpace
    open: tuple[tuple[int, ...], ...]
    odds: tuple[tuple[float, ...], ...] | None = None

    @classmethod
    def whole(cls, space: JointSpace) -> Subspace:
        """Everything."""
        return cls(space, tuple(tuple(range(count)) for count in space.cardinalities))

    @classmethod
    def only(cls, space: JointSpace, candidate: Candidate) -> Subspace:
        """One candidate."""
        return cls(space, tuple((int(gene),) for gene in space.encode([candidate]).genes[0]))

    @classmethod
    def opened(cls, space: JointSpace, domains: Mapping[str, ValueSelector]) -> Subspace:
        """The largest network, and whatever is opened around it.

        Args:
            space: The joint space.
            domains: What is open of each dimension (`kernel`, `depth`, `resolution`, `policy`) or single gene
                (`0.depth`), which counts more: `"all"`, `"largest N"` for the N values that make the largest networks,
                or a list of values. What is not named stays at its largest value; a policy, at the first one.

        Raises:
            ValueError: If the space has no such dimension or value.
        """
        return cls(space, select_values(space.name, space.genes, domains, f"{LARGEST} 1"))

    def sample(self, rng: np.random.Generator, n: int) -> Population:
        """Draws `n` candidates, every gene independently; inactive genes are then cleared."""
        steps = (rng.random((n, len(self.open)))[:, :, None] >= self._cumulative).sum(2)
        return self.space.population(self._table[np.arange(len(self.open)), steps])

    def largest(self) -> Candidate:
        """The last open value of every architecture gene, at the first open policy."""
        return self._corner(architecture=-1, policy=0)

    def smallest(self) -> Candidate:
        """The first open value of every architecture gene, at the last open policy."""
        return self._corner(architecture=0, policy=-1)

    def contains(self, population: Population) -> list[bool]:
        """Whether all genes that matter to a candidate are open to it, for every candidate of a population."""
        opened = np.zeros((len(self.open), int(self.space.cardinalities.max())), dtype=np.bool_)
        for gene, values in enumerate(self.open):
            opened[gene, list(values)] = True
        fitting = opened[np.arange(len(self.open)), population.genes]
        return [bool(row.all()) for row in fitting | ~self.space.is_active(population.genes)]

    def is_always_active(self, gene: int) -> bool:
        """Whether a gene matters in every candidate."""
        if self.space.genes[gene].is_policy:
            slot = self.space.architectures.slots[gene - len(self.space.architectures.choices)]
            return None not in self._slot_layers(slot)
        condition = self.space.architectures.choices[gene].active_when
        if condition is None:
            return True
        parent = self.space.architectures.choice_index[condition[0]]
        values = {self.space.genes[parent].values[value] for value in self.open[parent]}
        return self.is_always_active(parent) and values <= set(condition[1])

    def find_splittable_genes(self, dimensions: Sequence[str], groups: int, trained: Subspace) -> list[int]:
        """The genes of some dimensions along which this may be divided into so many parts.

        They matter in every candidate, so each belongs to one part exactly.

        Args:
            dimensions: Which genes are asked for.
            groups: How many parts.
            trained: What is trained of this; it must hold the whole domain of the gene.
        """
        return [
            number
            for number, gene in enumerate(self.space.genes)
            if gene.dimension in dimensions
            and len(trained.open[number]) == len(gene.values) >= groups
            and self.is_always_active(number)
        ]

    def slot_layers(self, slot: LayerSlot) -> set[LayerSpec]:
        """Every layer that a slot may hold."""
        return {layer for layer in self._slot_layers(slot) if layer is not None}

    def restrict(self, gene: int, values: Sequence[int]) -> Subspace:
        """Only these open values of one gene."""
        odds = None
        if self.odds is not None:
            kept = [odd for value, odd in zip(self.open[gene], self.odds[gene], strict=True) if value in values]
            odds = (*self.odds[:gene], tuple(odd / sum(kept) for odd in kept), *self.odds[gene + 1 :])
        opened = tuple(value for value in self.open[gene] if value in values)
        if not opened:
            raise ValueError(f"none of the values {list(values)} of {self.space.genes[gene].name} is open")
        return Subspace(self.space, (*self.open[:gene], opened, *self.open[gene + 1 :]), odds)

    def confine_to(self, part: Subspace) -> Subspace:
        """What is open both here and in a part of the space; where nothing is, the largest that the part has.

        So a training that opens little still trains the candidates of a leaf, or the one candidate of a fine-tuning.

        Raises:
            ValueError: If the part is one of a space with other policies.
        """
        if part.space.policies != self.space.policies:
            leaf, wanted = part.space.policies.to_json(), self.space.policies.to_json()
            raise ValueError(f"a leaf of policies {leaf} cannot serve a space of policies {wanted}")
        both = []
        for gene, mine, theirs in zip(self.space.genes, self.open, part.open, strict=True):
            common = tuple(value for value in mine if value in theirs)
            both.append(common or (theirs[0 if gene.is_policy else -1],))
        return Subspace(self.space, tuple(both))

    def union(self, other: Subspace) -> Subspace:
        """What is open in either."""
        pairs = zip(self.open, other.open, strict=True)
        return Subspace(self.space, tuple(tuple(sorted({*mine, *theirs})) for mine, theirs in pairs))

    def with_probabilities(self, odds: Mapping[int, Sequence[float]]) -> Subspace:
        """The same candidates, with other chances for the values of some genes.

        Args:
            odds: For a gene's number, the weight of every value of its domain; closed values do not count.
        """
        chances = []
        for gene, values in enumerate(self.open):
            weights = np.array([odds[gene][value] if gene in odds else 1.0 for value in values])
            chances.append(tuple((weights / weights.sum()).tolist()))
        return replace(self, odds=tuple(chances))

    @property
    def lowest_weight_bits(self) -> int:
        """The fewest bits that an open policy gives to weights."""
        opened = self.open[len(self.space.architectures.choices) :]
        pairs = zip(self.space.slot_policies, opened, strict=True)
        return min(known[value].weight_bits for known, values in pairs for value in values)

    def _slot_layers(self, slot: LayerSlot) -> set[LayerSpec | None]:
        choice_index, choices = self.space.architectures.choice_index, self.space.architectures.choices
        columns = [choice_index[gene] for gene in slot.genes]
        domains = [[choices[column].values[value] for value in self.open[column]] for column in columns]
        return {slot.layer(values) for values in product(*domains)}

    def _corner(self, architecture: int, policy: int) -> Candidate:
        ends = [policy if gene.is_policy else architecture for gene in self.space.genes]
        return self.space.population([values[end] for values, end in zip(self.open, ends, strict=True)])[0]

    @cached_property
    def _table(self) -> NDArray[np.int16]:
        """Open values of every gene, padded, shape (d, most values)."""
        most = max(len(values) for values in self.open)
        return np.array([[*values, *[0] * (most - len(values))] for values in self.open], dtype=np.int16)

    @cached_property
    def _cumulative(self) -> NDArray[np.float64]:
        """Sums of the chances up to every open value but the last, padded with 1, shape (d, most values)."""
        table = np.ones(self._table.shape)
        for gene, values in enumerate(self.open):
            chances = self.odds[gene] if self.odds else [1 / len(values)] * len(values)
            table[gene, : len(values) - 1] = np.cumsum(chances)[:-1]
        return table
