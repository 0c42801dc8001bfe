"""The joint space of architectures and compression policies: the one border between genes and candidates.

Independent of families, searchers and devices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.additive_cost import AdditiveCost, FloatArray
from search_spaces.candidate import Candidate
from search_spaces.choices import Gene
from search_spaces.compressed_layer import expand_layer
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.policy_space import PolicySpace, find_nearest_policy
from search_spaces.population import Population
from search_spaces.search_space import BoolArray, Genes, SearchSpace
from search_spaces.tabulated_slot import TabulatedSlot, tabulate_block, tabulate_gene, tabulate_layer


class JointSpace:
    """Genes of an architecture followed by one policy gene for each layer slot.

    Args:
        architectures: The space of architectures.
        policies: The policies that the layers may take; None leaves all layers as they are.

    Raises:
        ValueError: If a rule of the policies matches no layer.
    """

    def __init__(self, architectures: SearchSpace, policies: PolicySpace | None = None) -> None:
        self.architectures = architectures
        self.policies = policies or PolicySpace()
        self.policies.check(architectures)
        self.name = architectures.name
        self.slots = tuple(TabulatedSlot(architectures, slot) for slot in architectures.slots)
        self.slot_policies = tuple(self.policies.policies_for(slot, architectures) for slot in architectures.slots)

    def __reduce__(self) -> tuple[type[JointSpace], tuple[SearchSpace, PolicySpace]]:
        """Travels to other processes as the two spaces that it is made of; its tables are made there again."""
        return JointSpace, (self.architectures, self.policies)

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        """Itself: a description never changes."""
        return self

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """Name and values of every gene, in the order of the columns of a population."""
        pairs = zip(self.architectures.slots, self.slot_policies, strict=True)
        return (
            *self.architectures.genes,
            *(Gene(f"{slot.name}.policy", tuple(map(str, known)), is_policy=True) for slot, known in pairs),
        )

    @cached_property
    def cardinalities(self) -> NDArray[np.int64]:
        """Number of values of every gene, shape (d,)."""
        policies = np.array([len(known) for known in self.slot_policies], dtype=np.int64)
        return np.concatenate([self.architectures.cardinalities, policies])

    @cached_property
    def uniform_policies(self) -> NDArray[np.int64]:
        """Policy genes of every slot for each of `policies.all_policies` in turn, shape (policies, slots).

        A layer that may not choose the policy takes the nearest one that it may.
        """
        genes = [
            [find_nearest_policy(policy, known) for known in self.slot_policies]
            for policy in self.policies.all_policies
        ]
        return np.array(genes, dtype=np.int64).reshape(len(genes), len(self.slots))

    def sample(self, rng: np.random.Generator, n: int) -> Population:
        """Draws candidates, every gene uniformly and independently; inactive genes are then cleared.

        Args:
            rng: Source of the random numbers.
            n: Number of candidates.
        """
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
            ValueError: If there is not one column per gene, or a gene is no index of one of its values.
        """
        table = np.atleast_2d(np.asarray(genes))
        if table.shape[1] != len(self.cardinalities):
            raise ValueError(
                f"genes of {self.name!r} must have shape (n, {len(self.cardinalities)}), got {table.shape}"
            )
        if not np.all((table >= 0) & (table < self.cardinalities)):
            raise ValueError(f"a gene of {self.name!r} is outside its values")
        table = table.astype(np.int16)
        return Population(self, np.where(self.is_active(table), table, 0).astype(np.int16))

    def encode(self, candidates: Sequence[Candidate]) -> Population:
        """The population of the given candidates, in order; there may be none.

        Raises:
            ValueError: If the space has no such architecture, or a candidate has more or fewer policies than layers, or
                a policy that its layer may not take.
        """
        genes = np.zeros((len(candidates), len(self.cardinalities)), dtype=np.int16)
        for row, candidate in enumerate(candidates):
            genes[row, : self._border] = self.architectures.encode_once(candidate.architecture)
        present = self.is_active(genes)[:, self._border :]  # whether a layer is there does not depend on policies
        for row, candidate in enumerate(candidates):
            genes[row, self._border :] = self._encode_policies(candidate.policy, np.flatnonzero(present[row]))
        return Population.of_candidates(self, genes, candidates)

    def decode(self, genes: Genes) -> list[Candidate]:
        """The candidates of gene vectors of shape (n, d)."""
        active = self.is_active(genes)[:, self._border :]
        found = []
        for vector, present in zip(genes, active, strict=True):
            chosen = zip(self.slot_policies, vector[self._border :], present, strict=True)
            policy = [known[gene] for known, gene, is_there in chosen if is_there]
            architecture = self.architectures.decode(vector[: self._border])
            found.append(Candidate(architecture, CompressionPolicy(tuple(policy))))
        return found

    def layers(self, genes: Genes) -> list[tuple[LayerSpec, ...]]:
        """The layers of each candidate in execution order, for genes of shape (n, d); looked up in a table."""
        return self.architectures.layer_table(genes[:, : self._border])

    def find_condition(self, gene: int) -> tuple[int, BoolArray] | None:
        """The gene that decides whether the gene of an index is active.

        Returns:
            The index of the deciding gene, and a mask of its values, shape (values,), with which the other is active
            (all False if it never is); None if the other is always active.

        Raises:
            ValueError: If several genes decide together.
        """
        if gene < self._border:
            conditions = self.architectures.conditions
            return next(((parent, wanted) for index, parent, wanted in conditions if index == gene), None)
        slot = self.slots[gene - self._border]
        if slot.is_always_empty:
            return 0, np.zeros(self.cardinalities[0], dtype=np.bool_)
        deciding = slot.find_deciding_genes()
        if len(deciding) > 1:
            names = ", ".join(self.genes[number].name for number, _ in deciding)
            raise ValueError(f"whether {self.genes[gene].name} is active depends on several genes: {names}")
        return deciding[0] if deciding else None

    def is_active(self, genes: Genes) -> BoolArray:
        """Which genes are active, shape (n, d), given genes of shape (n, d)."""
        found = np.empty(genes.shape, dtype=np.bool_)
        found[:, : self._border] = self.architectures.is_active(genes[:, : self._border])
        for number, slot in enumerate(self.slots, start=self._border):
            found[:, number] = slot.is_filled(genes)
        return found

    def tabulate(self, cost: Callable[[LayerSpec, LayerPolicy], float]) -> AdditiveCost:
        """The sum of a cost over the layers of a candidate, tabulated for all values of the genes that decide a layer.

        Args:
            cost: Gives the cost of a layer under a policy; called once per distinct layer and policy.
        """
        priced = lru_cache(maxsize=None)(lambda layer, policy: float(cost(layer, policy)))
        pairs = enumerate(zip(self.slots, self.slot_policies, strict=True), start=self._border)
        return AdditiveCost([tabulate_layer(slot, number, policies, priced) for number, (slot, policies) in pairs])

    def tabulate_blocks(self, cost: Callable[[Sequence[tuple[LayerSpec, LayerPolicy]]], float]) -> AdditiveCost:
        """Like `tabulate`, for a cost of whole blocks that is no sum over layers.

        Args:
            cost: Gives the cost of the layers of a block, in order, each with its policy.
        """
        blocks: dict[str, list[int]] = {}
        for number, slot in enumerate(self.architectures.slots):
            blocks.setdefault(slot.block, []).append(number)
        terms = []
        for numbers in blocks.values():
            slots = [self.slots[number] for number in numbers]
            policies = [self.slot_policies[number] for number in numbers]
            terms.append(tabulate_block(slots, [self._border + number for number in numbers], policies, cost))
        return AdditiveCost(terms)

    def tabulate_linear(self, weights: FloatArray) -> AdditiveCost:
        """Sums the weights of a candidate's genes: `population.one_hot() @ weights`, without making the one-hot matrix.

        Args:
            weights: A weight for each value of every gene, shape (sum of cardinalities,).

        Raises:
            ValueError: If the weights have another shape.
        """
        values = self.cardinalities.sum()
        if weights.shape != (values,):
            raise ValueError(f"the genes of {self.name!r} have {values} values, got {weights.shape} weights")
        gene_weights = np.split(weights, np.cumsum(self.cardinalities)[:-1])
        terms = [tabulate_gene(self.architectures, number, gene_weights[number]) for number in range(self._border)]
        for number, slot in enumerate(self.slots, start=self._border):
            terms.append(slot.tabulate_policy(number, gene_weights[number]))
        return AdditiveCost(terms)

    def list_distinct_layers(self) -> list[LayerSpec]:
        """Every distinct layer that a candidate can contain, unnamed and call by call, in a fixed order.

        The factors of layers of low rank and of corrections follow on the layers.
        """
        layers = [layer for slot in self.slots for layer in slot.layers if layer is not None]
        for slot, policies in zip(self.slots, self.slot_policies, strict=True):
            reduced = [policy for policy in policies if not policy.has_no_factors]
            pairs = [(layer, policy) for layer in slot.layers if layer is not None for policy in reduced]
            layers += [factor for pair in pairs for factor, _ in expand_layer(*pair)]
        return list(dict.fromkeys(call.unnamed for layer in layers for call in layer.calls))

    @property
    def _border(self) -> int:  # index of the first policy gene
        return len(self.architectures.choices)

    def _encode_policies(self, policy: CompressionPolicy, present: NDArray[np.int64]) -> Genes:
        """The policy genes, shape (slots,), given the indices of the slots that hold a layer."""
        if len(policy.layers) != len(present):
            raise ValueError(f"the policy must have one entry per layer ({len(present)}), got {len(policy.layers)}")
        genes = np.zeros(len(self.slots), dtype=np.int16)
        for slot, chosen in zip(present.tolist(), policy.layers, strict=True):
            known = self.slot_policies[slot]
            if chosen not in known:
                raise ValueError(
                    f"the policy of {self.architectures.slots[slot].name} is one of {', '.join(map(str, known))}, "
                    f"got {chosen}"
                )
            genes[slot] = known.index(chosen)
        return genes
