"""Tables of the layer in a slot, and of its cost, for every combination of the few genes that decide the layer.

Tables of costs become the terms of an additive cost. Independent of any family and any device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod

import numpy as np

from search_spaces.additive_cost import FloatArray, Term
from search_spaces.choices import NonLayerCosts, NonLayerSlot
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_slot import LayerSlot
from search_spaces.layer_spec import LayerSpec
from search_spaces.search_space import BoolArray, Genes, SearchSpace

_MOST_ENTRIES = 5_000_000  # entries of the table of a block: 40 MB, and at worst as many calls of the cost function


class TabulatedSlot:
    """A slot with its layer for every combination of its genes, in row-major order.

    Args:
        space: The space.
        slot: One of its slots.

    Attributes:
        columns: Indices of the genes that decide the layer.
        cardinalities: Number of values of each of these genes.
        layers: The layer, or None, for each combination of their values.
    """

    def __init__(self, space: SearchSpace, slot: LayerSlot) -> None:
        self.columns = tuple(space.choice_index[gene] for gene in slot.genes)
        self.cardinalities = tuple(len(space.choices[column].values) for column in self.columns)
        self.layers = space.slot_layers[slot.name]
        self._filled = np.array([layer is not None for layer in self.layers]).reshape(self.cardinalities)
        deciding = [column for column, _ in self.find_deciding_genes()]
        self._deciding = tuple(deciding)
        self._there = self._filled[tuple(slice(None) if column in deciding else 0 for column in self.columns)]

    def look_up_layer(self, genes: Sequence[int]) -> LayerSpec | None:
        """The layer for values of the genes of `columns`; None if the slot is empty."""
        return self.layers[int(np.ravel_multi_index(tuple(genes), self.cardinalities)) if self.columns else 0]

    def is_filled(self, genes: Genes) -> BoolArray:
        """Whether the slot holds a layer, for genes of shape (n, d): shape (n,), or () if all networks are alike."""
        found: BoolArray = self._there[tuple(genes[:, column] for column in self._deciding)]
        return found

    @property
    def is_always_empty(self) -> bool:
        """Whether no network has a layer here, as in a restricted space without the last blocks."""
        return not self._filled.any()

    def find_deciding_genes(self) -> list[tuple[int, BoolArray]]:
        """The genes that decide whether the slot holds a layer.

        Returns:
            For each, its index and a mask of its values, shape (values,), with which the slot can hold a layer.
        """
        found = []
        for axis, column in enumerate(self.columns):
            if (self._filled != self._filled.take([0], axis)).any():
                others = tuple(other for other in range(self._filled.ndim) if other != axis)
                found.append((column, np.asarray(self._filled.any(axis=others))))
        return found

    def tabulate_policy(self, policy_gene: int, weights: FloatArray) -> Term:
        """A cost that depends on the policy of the layer alone, and is 0 if there is no layer.

        Args:
            policy_gene: Index of the gene that chooses the policy.
            weights: Cost of each policy, shape (policies,).
        """
        return Term((*self.columns, policy_gene), self._filled[..., None] * weights)


def tabulate_gene(space: SearchSpace, gene: int, weights: FloatArray) -> Term:
    """A cost that depends on one gene, and is 0 if the gene is inactive.

    Args:
        space: The space of the gene.
        gene: Index of the gene.
        weights: Cost of each value of the gene, shape (values,).
    """
    columns, table = [gene], weights
    for index, parent, wanted in reversed(space.conditions):  # every gene stands after the one that it depends on
        if index == columns[0]:
            columns.insert(0, parent)
            table = wanted.reshape(-1, *[1] * table.ndim) * table
    return Term(tuple(columns), table)


def tabulate_non_layer(space: SearchSpace, slot: NonLayerSlot, cost: Callable[[NonLayerCosts], float]) -> Term:
    """A cost of what networks have outside their layers, as far as a few genes decide it.

    Args:
        space: The space of the genes.
        slot: What networks have, by these genes.
        cost: Gives the cost of that.
    """
    columns = tuple(space.choice_index[gene] for gene in slot.genes)
    values = np.array([cost(slot.costs(each)) for each in space.list_values(slot.genes)])
    return Term(columns, values.reshape([len(space.choices[column].values) for column in columns]))


def tabulate_layer(
    slot: TabulatedSlot,
    policy_gene: int,
    policies: Sequence[LayerPolicy],
    cost: Callable[[LayerSpec, LayerPolicy], float],
) -> Term:
    """The cost of the layer in a slot, by the genes that decide the layer and the gene that chooses its policy.

    Args:
        slot: The slot; an empty slot costs 0.
        policy_gene: Index of the gene that chooses the policy.
        policies: The policies that the gene chooses from.
        cost: Gives the cost of a layer under a policy.
    """
    table = [[cost(layer, policy) if layer else 0.0 for policy in policies] for layer in slot.layers]
    return Term((*slot.columns, policy_gene), np.array(table).reshape(*slot.cardinalities, len(policies)))


def tabulate_block(
    slots: Sequence[TabulatedSlot],
    policy_genes: Sequence[int],
    policies: Sequence[Sequence[LayerPolicy]],
    cost: Callable[[Sequence[tuple[LayerSpec, LayerPolicy]]], float],
) -> Term:
    """The cost of the layers of several slots together, by the genes that decide all of them and their policies.

    Args:
        slots: The slots, in execution order.
        policy_genes: For each slot, the index of the gene that chooses its policy.
        policies: For each slot, the policies that its gene chooses from.
        cost: Gives the cost of a sequence of layers with their policies; called once for every distinct sequence.

    Raises:
        ValueError: If the table would have more than 5 million entries.
    """
    columns = tuple(dict.fromkeys(column for slot in slots for column in slot.columns))
    sizes = {column: size for slot in slots for column, size in zip(slot.columns, slot.cardinalities, strict=True)}
    choices = [len(known) for known in policies]
    entries = prod(sizes.values()) * prod(choices)
    if not entries <= _MOST_ENTRIES:
        raise ValueError(
            f"the costs of a block of {len(slots)} layers under up to {max(choices)} policies take {entries:,} "
            f"entries, more than {_MOST_ENTRIES:,}; use fewer policies, or costs of single layers"
        )
    table = np.zeros((*(sizes[column] for column in columns), *choices))
    prices: dict[tuple[tuple[LayerSpec, LayerPolicy], ...], float] = {(): 0.0}
    for genes in np.ndindex(table.shape[: len(columns)]):
        value = dict(zip(columns, genes, strict=True))
        layers = [slot.look_up_layer([value[column] for column in slot.columns]) for slot in slots]
        for chosen in product(*(range(count if layer else 1) for count, layer in zip(choices, layers, strict=True))):
            placed = list(zip(layers, policies, chosen, strict=True))
            present = tuple((layer, known[policy]) for layer, known, policy in placed if layer)
            if present not in prices:
                prices[present] = float(cost(present))
            # an empty slot costs the same under every policy
            table[genes + tuple(policy if layer else slice(None) for layer, _, policy in placed)] = prices[present]
    return Term((*columns, *policy_genes), table)
