"""Which values of genes are open, as a person writes it: `all`, `largest N`, or the values themselves.

In: genes and what is said of their dimensions. Out: the open values of every gene. Knows no space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search_spaces.choices import Gene, Value

ALL, LARGEST = "all", "largest"
ValueSelector = str | Sequence[Value]  # "all", "largest N" or the very values


def select_values(
    space_name: str, genes: Sequence[Gene], domains: Mapping[str, ValueSelector], otherwise: ValueSelector
) -> tuple[tuple[int, ...], ...]:
    """The open values of every gene, as rising indices into its domain.

    Args:
        space_name: Said in errors.
        genes: The genes.
        domains: What is open of each dimension (`kernel`, `depth`) or single gene (`0.depth`), which counts more.
        otherwise: What is open of genes that are not named.

    Raises:
        ValueError: If no gene has such a dimension, name or value.
    """
    known = {name for gene in genes for name in (gene.dimension, gene.name)}
    for name, domain in domains.items():
        if name not in known:
            dimensions = dict.fromkeys(gene.dimension for gene in genes)
            raise ValueError(f"space {space_name!r} has no {name!r} to open; it has {', '.join(dimensions)}")
        if not isinstance(domain, str):
            _check_values(space_name, genes, name, domain)
    chosen = [domains.get(gene.name, domains.get(gene.dimension, otherwise)) for gene in genes]
    return tuple(_open(space_name, gene, domain) for gene, domain in zip(genes, chosen, strict=True))


def _check_values(space_name: str, genes: Sequence[Gene], name: str, domain: Sequence[Value]) -> None:
    """Every listed value must belong to one of the genes that it is listed for."""
    named = [gene for gene in genes if name in (gene.dimension, gene.name)]
    known = list(dict.fromkeys(value for gene in named for value in gene.values))
    lacking = [value for value in domain if value not in known]
    if lacking or not domain:
        raise ValueError(f"{name} of space {space_name!r} must be some of {known}, got {list(domain)}")


def _open(space_name: str, gene: Gene, domain: ValueSelector) -> tuple[int, ...]:
    numbers = tuple(range(len(gene.values)))
    if not isinstance(domain, str):
        opened = tuple(number for number in numbers if gene.values[number] in domain)
        if not opened and gene.is_policy:  # a layer that may take none of them stays at its first
            return numbers[:1]
        if not opened:
            raise ValueError(
                f"{gene.name} of space {space_name!r} must be some of {list(gene.values)}, got {list(domain)}"
            )
        return opened
    if domain == ALL:
        return numbers
    word, _, count = domain.partition(" ")
    if word != LARGEST or not count.isdigit() or int(count) < 1:
        raise ValueError(f"what is open of {gene.name} is 'all', 'largest N' or a list of values, got {domain!r}")
    if gene.is_policy:  # a layer may have fewer to choose from than others
        return numbers[: int(count)]
    if int(count) > len(numbers):
        raise ValueError(
            f"{gene.name} of space {space_name!r} has {len(numbers)} values {list(gene.values)}, got {domain!r}"
        )
    return numbers[-int(count) :]
