"""Search spaces: choices and layer slots that a family declares, and the arithmetic of genes that all families share.

Independent of any family, of policies and of torch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import product
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from search_spaces.candidate import Architecture
from search_spaces.choices import Choice, Gene, NonLayerCosts, NonLayerSlot, Value
from search_spaces.dataflow import IMAGES, OperatorSlot, Presence, check_dataflow, find_presence, make_chain
from search_spaces.layer_slot import LayerSlot, LayerTable
from search_spaces.layer_spec import LayerSpec
from search_spaces.network_graph import Node
from search_spaces.operators.operator import Shape

Genes = NDArray[np.int16]
BoolArray = NDArray[np.bool_]
# Sizes of the caches by architecture. Gene vectors are small (about 100 bytes) and slow to encode, so those of a whole
# run are kept. Layers are large and quick to look up from genes, so only those of the latest architectures are kept.
_REMEMBERED_GENES, _REMEMBERED_LAYERS = 1 << 14, 1 << 8


class SearchSpace(ABC):
    """A family of architectures, described by choices and layer slots.

    A space is pickled as its class and the arguments of its constructor, whether or not it is registered, because its
    slots are functions that cannot be pickled.

    Attributes:
        inputs: Shapes of the inputs of every network, without the batch axis, by name; None for the input shape of
            the first layer.
        non_layer_costs: Parameters, bytes and operations that every network has outside its layers.
        non_layer_slots: What networks have there besides, by the genes that decide it.
        operator_slots: Nodes without a layer whose operators genes decide, by name; all others are as `nodes` says.
        presence: When networks have each node, by its name.

    Args:
        name: Identifies the space in candidates, checkpoints and databases.
        choices: The choices, each after the one that it depends on.
        slots: Every layer of the largest network, in execution order.
        nodes: The nodes that join the layers, in execution order; None if each layer reads the one before.
        presence: When networks have each node; None takes what the names of nodes tell (`find_presence`).

    Raises:
        ValueError: If two choices share a name, if a choice has more values than a gene of 16 bits can index, or if the
            nodes do not fit the layers (see `check_dataflow`).
    """

    _given: tuple[tuple[Any, ...], dict[str, Any]]
    inputs: Mapping[str, Shape | None] = MappingProxyType({IMAGES: None})
    non_layer_costs: NonLayerCosts = NonLayerCosts()
    non_layer_slots: Sequence[NonLayerSlot] = ()
    operator_slots: Mapping[str, OperatorSlot] = MappingProxyType({})

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Keeps the arguments of the constructor, as which the space is pickled."""
        space = super().__new__(cls)
        space._given = (given, named)
        return space

    def __reduce__(self) -> tuple[Callable[..., SearchSpace], tuple[Any, ...]]:
        """Pickles the class and the arguments of the constructor."""
        return _construct, (type(self), *self._given)

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        """Itself: a description never changes, and to construct it again takes longer than to copy the weights."""
        return self

    def __init__(
        self,
        name: str,
        choices: Sequence[Choice],
        slots: Sequence[LayerSlot],
        nodes: Sequence[Node] | None = None,
        presence: Mapping[str, Presence] | None = None,
    ) -> None:
        self.name = name
        self.choices = tuple(choices)
        self.slots = tuple(slots)
        layers = [slot.name for slot in slots]
        self.nodes = make_chain(layers) if nodes is None else tuple(nodes)
        self.presence = find_presence(self.nodes) if presence is None else presence
        check_dataflow(self.nodes, layers, tuple(self.inputs))
        self._genes = lru_cache(_REMEMBERED_GENES)(self._encode_read_only)
        self._layers = lru_cache(_REMEMBERED_LAYERS)(self._look_up_layers)
        self.choice_index = {choice.name: index for index, choice in enumerate(self.choices)}
        if len(self.choice_index) != len(self.choices):
            raise ValueError(f"the choices of {name!r} must have distinct names")
        if not all(len(choice.values) <= np.iinfo(np.int16).max for choice in self.choices):
            raise ValueError(f"a choice of {name!r} has more than {np.iinfo(np.int16).max} values, too many for a gene")

    @abstractmethod
    def decode(self, genes: Genes) -> Architecture:
        """The architecture of one gene vector of shape (d,); inactive genes change nothing."""

    @abstractmethod
    def encode(self, architecture: Architecture) -> Genes:
        """The canonical gene vector, shape (d,), of an architecture of this space.

        Raises:
            ValueError: If the architecture is not of this space.
        """

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """Name and values of every gene, in the order of the choices."""
        return tuple(Gene(choice.name, choice.values, is_policy=False) for choice in self.choices)

    @cached_property
    def cardinalities(self) -> NDArray[np.int64]:
        """Number of values of every gene, shape (d,)."""
        return np.array([len(choice.values) for choice in self.choices], dtype=np.int64)

    def largest(self) -> Architecture:
        """The architecture with the last value of every gene."""
        return self.decode((self.cardinalities - 1).astype(np.int16))

    def count(self) -> int:
        """The exact number of distinct architectures."""
        children: dict[str | None, list[Choice]] = {}
        for choice in self.choices:
            parent = choice.active_when[0] if choice.active_when else None
            children.setdefault(parent, []).append(choice)

        def ways(choice: Choice) -> int:
            below = children.get(choice.name, [])
            active = ([c for c in below if c.active_when and value in c.active_when[1]] for value in choice.values)
            return sum(math.prod(ways(child) for child in group) for group in active)

        return math.prod(ways(choice) for choice in children.get(None, []))

    def is_active(self, genes: Genes) -> BoolArray:
        """Which genes are active, shape (n, d), given genes of shape (n, d)."""
        mask = np.ones(genes.shape, dtype=bool)
        for index, parent, wanted in self.conditions:
            mask[:, index] = mask[:, parent] & wanted[genes[:, parent]]
        return mask

    def features(self, genes: Genes) -> NDArray[np.float64]:
        """Features of architectures besides the one-hot code, shape (n, k), for predictors; by default none (k = 0)."""
        return np.empty((len(genes), 0))

    @cached_property
    def conditions(self) -> list[tuple[int, int, BoolArray]]:
        """For every gene that depends on another one: its index, that of the other, and a mask of the other's values.

        The mask, shape (values of the other,), is True for the values with which the gene is active.
        """
        return [
            (index, parent, np.array([value in choice.active_when[1] for value in self.choices[parent].values]))
            for index, choice in enumerate(self.choices)
            if choice.active_when is not None
            for parent in [self.choice_index[choice.active_when[0]]]
        ]

    def decode_values(self, genes: Genes) -> dict[str, Value]:
        """Name and value of every gene of one vector of shape (d,)."""
        return {choice.name: choice.values[gene] for choice, gene in zip(self.choices, genes, strict=True)}

    def encode_values(self, values: Mapping[str, Value], architecture: Architecture) -> Genes:
        """The gene vector, shape (d,), of an architecture, given the values of its choices: the last step of `encode`.

        Args:
            values: Values by the names of the choices. Choices that are not named are inactive, and their genes 0.
            architecture: The architecture that the genes must decode to.

        Raises:
            ValueError: If a name or value is unknown, or the genes decode to another architecture.
        """
        genes = np.zeros(len(self.choices), dtype=np.int16)
        for name, value in values.items():
            if name not in self.choice_index:
                raise ValueError(f"space {self.name!r} has no {name}, got {value!r}")
            choice = self.choices[self.choice_index[name]]
            if value not in choice.values:
                raise ValueError(f"{name} of space {self.name!r} must be one of {choice.values}, got {value!r}")
            genes[self.choice_index[name]] = choice.values.index(value)
        if self.decode(genes) != architecture:
            raise ValueError(f"space {self.name!r} holds no {architecture}; the nearest is {self.decode(genes)}")
        return genes

    @cached_property
    def slot_layers(self) -> Mapping[str, tuple[LayerSpec | None, ...]]:
        """The layer of every slot, by its name, for each combination of the values of its genes, in row-major order."""
        return {slot.name: tuple(map(slot.layer, self.list_values(slot.genes))) for slot in self.slots}

    def list_values(self, genes: Sequence[str]) -> list[tuple[Value, ...]]:
        """All combinations of the values of some genes, in row-major order.

        Args:
            genes: Names of the genes.
        """
        return [*product(*(self.choices[self.choice_index[gene]].values for gene in genes))]

    @cached_property
    def layer_table(self) -> LayerTable:
        """Looks up the layers of networks by their genes."""
        columns = [[self.choice_index[gene] for gene in slot.genes] for slot in self.slots]
        return LayerTable(columns, self.cardinalities, list(self.slot_layers.values()))

    def encode_once(self, architecture: Architecture) -> Genes:
        """The gene vector that `encode` returns, shape (d,), as a read-only array from a cache.

        Raises:
            ValueError: If the architecture is not of this space.
        """
        return self._genes(architecture)

    def layers(self, architecture: Architecture) -> tuple[LayerSpec, ...]:
        """The layers of an architecture in execution order; a cache keeps those of the latest architectures.

        Raises:
            ValueError: If the architecture is not of this space.
        """
        return self._layers(architecture)

    def check(self, architecture: Architecture) -> None:
        """Refuses an architecture of another space.

        Raises:
            ValueError: If the architecture names another space.
        """
        if architecture.space != self.name:
            raise ValueError(f"space {self.name!r} cannot read an architecture of space {architecture.space!r}")

    def _encode_read_only(self, architecture: Architecture) -> Genes:
        genes = self.encode(architecture)
        genes.flags.writeable = False  # the cached array is shared by all callers
        return genes

    def _look_up_layers(self, architecture: Architecture) -> tuple[LayerSpec, ...]:
        return self.layer_table(self.encode_once(architecture)[None])[0]


def _construct(family: type[SearchSpace], given: Sequence[Any], named: Mapping[str, Any]) -> SearchSpace:
    return family(*given, **named)
