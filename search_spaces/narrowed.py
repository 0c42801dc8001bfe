"""A space of which only some values are asked for: the rest of the engine sees a smaller space of the same networks.

In: a space, and the values that remain. Out: a `SearchSpace`; one value everywhere makes it one network.
Knows no family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from search_spaces.candidate import Architecture
from search_spaces.choices import Choice, Value
from search_spaces.domains import ALL, Domain, open_values
from search_spaces.space import Genes, SearchSpace


class NarrowedSpace(SearchSpace):
    """Some of the networks of another space. They equal those of the whole: same name, same keys, same layers.

    Args:
        whole: The other space.
        domains: The values that remain of each dimension (`kernel`, `depth`) or single gene (`0.depth`), which counts
            more: `"all"`, `"largest N"` or a list of values. What is not named stays as it is.

    Raises:
        ValueError: If the space has no such dimension or value.
    """

    def __init__(self, whole: SearchSpace, domains: Mapping[str, Domain]) -> None:
        self.whole, self.inputs, self.besides = whole, whole.inputs, whole.besides
        self._kept = open_values(whole.name, whole.genes, domains, ALL)
        remaining = {
            choice.name: tuple(choice.values[number] for number in kept)
            for choice, kept in zip(whole.choices, self._kept, strict=True)
        }
        choices = [_narrowed(choice, remaining) for choice in whole.choices]
        super().__init__(whole.name, choices, whole.slots, whole.nodes)
        self._table = [np.array(kept, dtype=np.int16) for kept in self._kept]

    def decode(self, genes: Genes) -> Architecture:
        """The architecture of one gene vector of shape (d,)."""
        return self.whole.decode(self._of_whole(genes))

    def encode(self, architecture: Architecture) -> Genes:
        """The canonical gene vector, shape (d,), of an architecture of this space.

        Raises:
            ValueError: If the architecture is not of this space.
        """
        genes = self.whole.encode(architecture)
        values = self.whole.values(genes)
        active = self.whole.active(genes[None])[0]
        mattering = [choice.name for choice, matters in zip(self.choices, active, strict=True) if matters]
        return self.genes_of({name: values[name] for name in mattering}, architecture)

    def features(self, genes: Genes) -> NDArray[np.float64]:
        """What the whole space knows of them."""
        return self.whole.features(self._of_whole(genes))

    def _of_whole(self, genes: Genes) -> NDArray[np.int16]:
        """The genes of the whole space, shape (..., d)."""
        columns = [kept[genes[..., number]] for number, kept in enumerate(self._table)]
        return np.stack(columns, axis=-1).astype(np.int16) if columns else genes


def _narrowed(choice: Choice, remaining: Mapping[str, tuple[Value, ...]]) -> Choice:
    """A choice with the values that remain, active under those that remain of what it depends on."""
    if choice.active_when is not None:
        parent, when = choice.active_when
        when = tuple(value for value in when if value in remaining[parent])
        choice = replace(choice, active_when=(parent, when))
    return replace(choice, values=remaining[choice.name])
