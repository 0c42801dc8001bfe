"""A space restricted to some values of its choices: a smaller space of the same networks, down to a single one.

Independent of the family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from search_spaces.candidate import Architecture
from search_spaces.choices import Choice, Value
from search_spaces.search_space import Genes, SearchSpace
from search_spaces.value_selector import ALL, ValueSelector, select_values


class RestrictedSpace(SearchSpace):
    """Some of the networks of another space, with the same names, keys and layers as there.

    Args:
        whole: The other space.
        selectors: The values that remain, by dimension (`kernel`, `depth`) or by single gene (`0.depth`), which takes
            precedence: `"all"`, `"largest N"` or a list of values. Genes that are not named keep all values.

    Raises:
        ValueError: If the space has no such dimension or value.
    """

    def __init__(self, whole: SearchSpace, selectors: Mapping[str, ValueSelector]) -> None:
        self.whole, self.inputs, self.non_layer_costs = whole, whole.inputs, whole.non_layer_costs
        self.non_layer_slots, self.operator_slots = whole.non_layer_slots, whole.operator_slots
        self._kept = select_values(whole.name, whole.genes, selectors, ALL)
        remaining = {
            choice.name: tuple(choice.values[number] for number in kept)
            for choice, kept in zip(whole.choices, self._kept, strict=True)
        }
        choices = [_restrict_choice(choice, remaining) for choice in whole.choices]
        super().__init__(whole.name, choices, whole.slots, whole.nodes, whole.presence)
        self._table = [np.array(kept, dtype=np.int16) for kept in self._kept]

    def decode(self, genes: Genes) -> Architecture:
        """The architecture of one gene vector of shape (d,)."""
        return self.whole.decode(self._to_whole(genes))

    def encode(self, architecture: Architecture) -> Genes:
        """The canonical gene vector, shape (d,), of an architecture of this space; see `SearchSpace.encode`."""
        genes = self.whole.encode_once(architecture)
        values = self.whole.decode_values(genes)
        active = self.whole.is_active(genes[None])[0]
        names = [choice.name for choice, is_active in zip(self.choices, active, strict=True) if is_active]
        return self.encode_values({name: values[name] for name in names}, architecture)

    def features(self, genes: Genes) -> NDArray[np.float64]:
        """What the whole space tells predictors about its architectures, shape (n, k)."""
        return self.whole.features(self._to_whole(genes))

    def _to_whole(self, genes: Genes) -> NDArray[np.int16]:
        """The genes of the whole space, shape (..., d), for genes of this one."""
        columns = [kept[genes[..., number]] for number, kept in enumerate(self._table)]
        return np.stack(columns, axis=-1).astype(np.int16) if columns else genes


def _restrict_choice(choice: Choice, remaining: Mapping[str, tuple[Value, ...]]) -> Choice:
    """A choice with its remaining values, active under the remaining values of the choice that it depends on."""
    if choice.active_when is not None:
        parent, when = choice.active_when
        when = tuple(value for value in when if value in remaining[parent])
        choice = replace(choice, active_when=(parent, when))
    return replace(choice, values=remaining[choice.name])
