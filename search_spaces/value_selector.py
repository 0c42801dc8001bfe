"""Value selectors: which values of genes are open, as people write it in a job file.

A selector is `all`, `largest N`, or a list of the values themselves. Independent of the space that has the genes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from search_spaces.choices import Gene, Value
from search_spaces.quoting import quote

ALL, LARGEST = "all", "largest"
ValueSelector = str | Sequence[Value]


def select_values(
    space_name: str, genes: Sequence[Gene], selectors: Mapping[str, ValueSelector], default: ValueSelector
) -> tuple[tuple[int, ...], ...]:
    """The open values of every gene, as rising indices into its values.

    Args:
        space_name: Name of the space that has the genes, for errors.
        genes: The genes.
        selectors: Selectors by dimension (`kernel`, `depth`) or by single gene (`0.depth`), which takes precedence.
        default: Selector of genes that are not named.

    Raises:
        ValueError: If no gene has such a dimension, name or value, or a selector is a text of another form.
    """
    known = {name for gene in genes for name in (gene.dimension, gene.name)}
    for name, selector in selectors.items():
        if name not in known:
            dimensions = dict.fromkeys(gene.dimension for gene in genes)
            raise ValueError(f"space {space_name!r} has no {name!r} to open; it has {', '.join(dimensions)}")
        if not isinstance(selector, str):
            _check_values(space_name, genes, name, selector)
    chosen = [selectors.get(gene.name, selectors.get(gene.dimension, default)) for gene in genes]
    return tuple(_select(space_name, gene, selector) for gene, selector in zip(genes, chosen, strict=True))


def _check_values(space_name: str, genes: Sequence[Gene], name: str, values: Sequence[Value]) -> None:
    """Every listed value must belong to one of the genes that it is listed for."""
    named = [gene for gene in genes if name in (gene.dimension, gene.name)]
    known = list(dict.fromkeys(value for gene in named for value in gene.values))
    lacking = [value for value in values if value not in known]
    if lacking or not values:
        raise ValueError(f"{name} of space {space_name!r} must be some of {known}, got {list(values)}")


def _select(space_name: str, gene: Gene, selector: ValueSelector) -> tuple[int, ...]:
    """The indices of the open values of one gene."""
    indices = tuple(range(len(gene.values)))
    if not isinstance(selector, str):
        opened = tuple(index for index in indices if gene.values[index] in selector)
        if not opened and gene.is_policy:  # a layer that may take none of them stays at its first
            return indices[:1]
        if not opened:
            raise ValueError(
                f"{gene.name} of space {space_name!r} must be some of {list(gene.values)}, got {list(selector)}"
            )
        return opened
    if selector == ALL:
        return indices
    word, _, count = selector.partition(" ")
    if word != LARGEST or not re.fullmatch("[1-9][0-9]{0,8}", count):
        raise ValueError(
            f"what is open of {gene.name} is 'all', 'largest N' or a list of values, got {quote(selector)}"
        )
    if gene.is_policy:  # the first policy makes the largest network, and a layer may have fewer of them than others
        return indices[: int(count)]
    if int(count) > len(indices):
        raise ValueError(
            f"{gene.name} of space {space_name!r} has {len(indices)} values {list(gene.values)}, got {selector!r}"
        )
    return indices[-int(count) :]
