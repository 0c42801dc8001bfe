"""The joint space of architectures and compression policies.

In: a search space and a policy space. Out: `JointSpace`, populations of its genes, and tabulated costs.
The one border between genes and candidates. Knows no family, no searcher and no device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.additive_cost import AdditiveCost, FloatArray
from search_spaces.candidate import Candidate
from search_spaces.choices import Gene
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.policy_space import PolicySpace, nearest
from search_spaces.space import BoolArray, Genes, SearchSpace
from search_spaces.tabulated_slot import TabulatedSlot, block_term, layer_term


class JointSpace:
    """Genes of an architecture followed by one policy gene for each layer slot.

    Args:
        architectures: The family of networks.
        policies: The policies that their layers may take.

    Raises:
        ValueError: If a rule of the policies is for no layer.
    """

    def __init__(self, architectures: SearchSpace, policies: PolicySpace | None = None) -> None:
        self.architectures = architectures
        self.policies = policies or PolicySpace()
        self.policies.check(architectures)
        self.name = architectures.name
        self.slots = tuple(TabulatedSlot(architectures, slot) for slot in architectures.slots)
        self.slot_policies = tuple(self.policies.policies_for(slot, architectures) for slot in architectures.slots)

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """Name and domain of every gene, in the order of the columns of a population."""
        pairs = zip(self.architectures.slots, self.slot_policies, strict=True)
        return (
            *self.architectures.genes,
            *(Gene(f"{slot.name}.policy", tuple(map(str, known)), is_policy=True) for slot, known in pairs),
        )

    @cached_property
    def cardinalities(self) -> NDArray[np.int64]:
        """Domain size of every gene, shape (d,)."""
        policies = np.array([len(known) for known in self.slot_policies], dtype=np.int64)
        return np.concatenate([self.architectures.cardinalities, policies])

    @cached_property
    def uniform_policies(self) -> NDArray[np.int64]:
        """Policy genes of every slot for each of `policies.known` in turn, shape (policies, slots).

        A layer that may not choose the policy takes the nearest one that it may.
        """
        genes = [[nearest(policy, known) for known in self.slot_policies] for policy in self.policies.known]
        return np.array(genes, dtype=np.int64).reshape(len(genes), len(self.slots))

    def sample(self, rng: np.random.Generator, n: int) -> Population:
        """Draws `n` candidates, every gene uniformly and independently; inactive genes are then cleared."""
        return self.population(rng.integers(0, self.cardinalities, size=(n, len(self.cardinalities))))

    def smallest(self) -> Candidate:
        """The candidate with the first value of every gene."""
        return self.population(np.zeros((1, len(self.cardinalities))))[0]

    def largest(self) -> Candidate:
        """The candidate with the last value of every architecture gene and the first policy everywhere."""
        genes = np.zeros((1, len(self.cardinalities)))
        genes[0, : self._border] = self.architectures.cardinalities - 1
        return self.population(genes)[0]

    def population(self, genes: ArrayLike) -> Population:
        """Wraps genes of shape (n, d) in canonical form.

        Raises:
            ValueError: If the shape or a gene is out of bounds.
        """
        table = np.atleast_2d(np.asarray(genes))
        if table.shape[1] != len(self.cardinalities):
            raise ValueError(
                f"genes of {self.name!r} must have shape (n, {len(self.cardinalities)}), got {table.shape}"
            )
        if not np.all((table >= 0) & (table < self.cardinalities)):
            raise ValueError(f"a gene of {self.name!r} is outside its domain")
        table = table.astype(np.int16)
        return Population(self, np.where(self.active(table), table, 0).astype(np.int16))

    def encode(self, candidates: Sequence[Candidate]) -> Population:
        """The population of the given candidates, in order; there may be none."""
        vectors = [self._encode_one(candidate) for candidate in candidates]
        return self.population(np.array(vectors, dtype=np.int16).reshape(-1, len(self.cardinalities)))

    def decode(self, genes: Genes) -> list[Candidate]:
        """The candidates of gene vectors of shape (n, d)."""
        active = self.active(genes)[:, self._border :]
        found = []
        for vector, mattering in zip(genes, active, strict=True):
            chosen = zip(self.slot_policies, vector[self._border :], mattering, strict=True)
            policy = [known[gene] for known, gene, matters in chosen if matters]
            architecture = self.architectures.decode(vector[: self._border])
            found.append(Candidate(architecture, CompressionPolicy(tuple(policy))))
        return found

    def layers(self, genes: Genes) -> list[tuple[LayerSpec, ...]]:
        """The layers of each candidate in execution order, for genes of shape (n, d): a look-up."""
        return self.architectures.layer_table(genes[:, : self._border])

    def condition(self, gene: int) -> tuple[int, BoolArray] | None:
        """The gene on which it depends whether one matters, and a mask of its values with which that one does.

        None if it always matters, and an empty mask if it never does; raises ValueError if it depends on several genes
        at once.
        """
        if gene < self._border:
            conditions = self.architectures.conditions
            return next(((parent, wanted) for index, parent, wanted in conditions if index == gene), None)
        slot = self.slots[gene - self._border]
        if slot.is_always_empty:
            return 0, np.zeros(self.cardinalities[0], dtype=np.bool_)
        deciding = slot.deciding_genes()
        if len(deciding) > 1:
            names = ", ".join(self.genes[number].name for number, _ in deciding)
            raise ValueError(f"whether {self.genes[gene].name} matters depends on several genes: {names}")
        return deciding[0] if deciding else None

    def active(self, genes: Genes) -> BoolArray:
        """Which genes matter, shape (n, d)."""
        found = np.empty(genes.shape, dtype=np.bool_)
        found[:, : self._border] = self.architectures.active(genes[:, : self._border])
        for number, slot in enumerate(self.slots, start=self._border):
            found[:, number] = slot.filled(genes)
        return found

    def tabulate(self, cost: Callable[[LayerSpec, LayerPolicy], float]) -> AdditiveCost:
        """Prices every slot under all values of its few genes, once.

        Args:
            cost: Cost of a layer under a policy; called once per layer and policy.
        """
        priced = lru_cache(maxsize=None)(lambda layer, policy: float(cost(layer, policy)))
        pairs = enumerate(zip(self.slots, self.slot_policies, strict=True), start=self._border)
        return AdditiveCost([layer_term(slot, number, policies, priced) for number, (slot, policies) in pairs])

    def tabulate_blocks(self, cost: Callable[[Sequence[tuple[LayerSpec, LayerPolicy]]], float]) -> AdditiveCost:
        """Prices every block under all values of its genes, once; for costs that are no sums over layers.

        Args:
            cost: Cost of the layers of a block, in order, each with its policy.
        """
        blocks: dict[str, list[int]] = {}
        for number, slot in enumerate(self.architectures.slots):
            blocks.setdefault(slot.block, []).append(number)
        terms = []
        for numbers in blocks.values():
            slots = [self.slots[number] for number in numbers]
            policies = [self.slot_policies[number] for number in numbers]
            terms.append(block_term(slots, [self._border + number for number in numbers], policies, cost))
        return AdditiveCost(terms)

    def layer_shapes(self) -> list[LayerSpec]:
        """Every distinct layer shape that a candidate can contain, without names and call by call, in a fixed order."""
        layers = (layer for slot in self.slots for layer in slot.layers if layer is not None)
        found = (call.shape for layer in layers for call in layer.calls)
        return list(dict.fromkeys(found))

    @property
    def _border(self) -> int:
        return len(self.architectures.choices)

    def _encode_one(self, candidate: Candidate) -> Genes:
        genes = np.zeros(len(self.cardinalities), dtype=np.int16)
        genes[: self._border] = self.architectures.encode(candidate.architecture)
        slots = np.flatnonzero(self.active(genes[None])[0, self._border :])
        policies = candidate.policy.layers
        if len(policies) != len(slots):
            raise ValueError(f"the policy must have one entry per layer ({len(slots)}), got {len(policies)}")
        for slot, policy in zip(slots, policies, strict=True):
            known = self.slot_policies[slot]
            if policy not in known:
                raise ValueError(
                    f"the policy of {self.architectures.slots[slot].name} is one of {', '.join(map(str, known))}, "
                    f"got {policy}"
                )
            genes[self._border + slot] = known.index(policy)
        return genes


@dataclass(frozen=True)
class Population:
    """Candidates as canonical genes of shape (n, d): the currency of search."""

    space: JointSpace
    genes: Genes

    def __len__(self) -> int:
        return len(self.genes)

    def __getitem__(self, index: int) -> Candidate:
        return self.space.decode(self.genes[index][None])[0]

    def candidates(self) -> list[Candidate]:
        """All of them; faster than one by one."""
        return self.space.decode(self.genes)

    def take(self, rows: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Population:
        """The candidates of a slice, at row numbers, or under a mask."""
        return Population(self.space, self.genes[rows])

    def unique(self) -> Population:
        """The distinct candidates, in order of first appearance."""
        return self.take(np.sort(np.unique(self.genes, axis=0, return_index=True)[1]))

    def one_hot(self) -> FloatArray:
        """One-hot code of every gene, shape (n, sum of cardinalities); an inactive gene is all zeros."""
        cardinalities = self.space.cardinalities
        starts = np.cumsum(cardinalities) - cardinalities
        code = np.zeros((len(self), int(cardinalities.sum())))
        rows, columns = np.nonzero(self.space.active(self.genes))
        code[rows, starts[columns] + self.genes[rows, columns]] = 1.0
        return code

    def features(self) -> FloatArray:
        """What predictors are fitted to: the one-hot code, and what the architectures' space adds, shape (n, f)."""
        architectures = self.space.architectures
        added = architectures.features(self.genes[:, : len(architectures.choices)])
        return np.concatenate([self.one_hot(), added], axis=1)
