"""The candidates that a search evaluates first: obvious ones, then others that fill the space.

Random candidates of a space with dozens of genes are mixtures of middling values: hardly one has the same policy in
all layers or an extreme architecture, and predictors fitted to them know nothing of the ends of a front. The design
does not depend on the searcher.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search_spaces.choices import Gene
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import find_nearest_policy
from search_spaces.population import Population
from search_spaces.subspace import Subspace

FIRST_DESIGN = 30  # candidates: with fewer, predictors know too little; with more, a small budget is soon spent
OBVIOUS_SHARE = 0.8  # largest share of obvious candidates, so that some lie between the extremes
_STREAM = 0xF1  # the design has random numbers of its own: it is the same for every searcher with the same seed
_CONCENTRATION = 0.4  # parameter of the Dirichlet distribution of policy shares: below 1, one policy often dominates
_DRAWS = 4  # candidates drawn for each that is wanted, as some turn out equal


def create_first_design(
    space: JointSpace, size: int, seed: int, subspace: Subspace | None = None, obvious_share: float = OBVIOUS_SHARE
) -> Population:
    """Lists the first candidates of a search: the obvious ones, then a space-filling rest.

    Args:
        space: The joint space.
        size: How many candidates; in a small space, where draws repeat, it may be fewer.
        seed: Seed of the space-filling candidates; equal seeds give equal designs, whatever the searcher.
        subspace: The part of the space that candidates are taken from; None is all of it.
        obvious_share: The largest share of obvious candidates.

    Returns:
        Distinct candidates, the most informative first, so that the first k of them are a good design of k.
    """
    opened = subspace or Subspace.whole(space)
    obvious = list_obvious_candidates(space, opened)
    few = obvious.take(slice(0, round(size * obvious_share)))
    filling = _fill_space(space, opened, size * _DRAWS, np.random.default_rng([seed, _STREAM]))
    genes = np.concatenate([few.genes, filling.genes, obvious.genes])
    return Population(space, genes).unique().take(slice(0, size))


def list_obvious_candidates(space: JointSpace, subspace: Subspace | None = None) -> Population:
    """Lists the obvious candidates: extreme architectures, each with the same policy in all layers.

    The architectures are the largest, the smallest, and those that are smallest in one dimension (such as `kernel` or
    `depth`) and largest in all others. A gene whose values have no order has no extremes: the first architecture takes
    its first value, the second its second, and so on in turn.

    Args:
        space: The joint space.
        subspace: The part of the space whose extremes and policies are listed; None is all of it.

    Returns:
        Distinct candidates: all policies of the largest architecture first, then those of the smallest, and so on.
    """
    opened = subspace or Subspace.whole(space)
    border = len(space.architectures.choices)
    rows = []
    for number, smallest in enumerate(_list_corners(space, opened)):
        architecture = [
            values[(0 if gene.dimension in smallest else -1) if gene.is_ordered else number % len(values)]
            for gene, values in zip(space.genes[:border], opened.open[:border], strict=True)
        ]
        rows += [[*architecture, *policies] for policies in _list_uniform_policies(opened)]
    return space.population(np.array(rows)).unique()


def _list_uniform_policies(opened: Subspace) -> list[list[int]]:
    """For every policy that is open in some layer, the policy genes of a network that has it in all layers.

    A layer for which it is not open takes the nearest policy that is.
    """
    slots = _list_open_policies(opened)
    return [
        [values[find_nearest_policy(policy, [known[value] for value in values])] for known, values in slots]
        for policy in _list_known_policies(opened)
    ] or [[]]


def _list_corners(space: JointSpace, opened: Subspace) -> list[set[str]]:
    """For every extreme architecture, the set of dimensions in which it is smallest.

    Where no gene has an order, there are no extremes; empty sets are listed then, as many as a gene has values, so that
    every value occurs.
    """
    genes = [
        (gene, values)
        for gene, values in zip(space.genes, opened.open, strict=True)
        if not gene.is_policy and len(values) > 1
    ]
    dimensions = list(dict.fromkeys(gene.dimension for gene, _ in genes if gene.is_ordered))
    if not dimensions:
        return [set()] * max((len(values) for _, values in genes), default=1)
    return [set(), set(dimensions), *({dimension} for dimension in dimensions)]


def _fill_space(space: JointSpace, opened: Subspace, count: int, rng: np.random.Generator) -> Population:
    """Draws candidates whose sizes and shares of policies are spread evenly.

    For every ordered dimension a level between the smallest (0) and the largest (1) is drawn, and the genes of the
    dimension scatter around it binomially. For the policies, the share of each is drawn, and every layer draws its
    policy with these probabilities. Every gene without an order has a level of its own, which picks its value. The
    levels of all candidates form a Latin hypercube.
    """
    from scipy.stats import qmc  # takes a second, and a job file is read without it

    dimensions = list(dict.fromkeys(_name_level(gene) for gene in space.genes if not gene.is_policy))
    levels = qmc.LatinHypercube(max(len(dimensions), 1), rng=rng).random(count)
    of_dimension = dict(zip(dimensions, levels.T, strict=False))
    columns: list[NDArray[np.int64]] = []
    policies = _list_known_policies(opened)
    shares = rng.dirichlet(np.full(max(len(policies), 1), _CONCENTRATION), size=count)
    border = len(space.architectures.choices)
    for gene, values in zip(space.genes[:border], opened.open[:border], strict=True):
        if gene.is_ordered:
            steps = rng.binomial(len(values) - 1, of_dimension[gene.dimension])
        else:
            steps = np.minimum((of_dimension[gene.name] * len(values)).astype(int), len(values) - 1)
        columns.append(np.array(values)[steps])
    for known, values in _list_open_policies(opened):
        own = shares[:, [policies.index(known[value]) for value in values]]
        cumulative = np.cumsum(own, axis=1) / own.sum(axis=1, keepdims=True)
        columns.append(np.array(values)[(rng.random(count)[:, None] > cumulative[:, :-1]).sum(axis=1)])
    return space.population(np.column_stack(columns)).unique()


def _list_open_policies(opened: Subspace) -> list[tuple[tuple[LayerPolicy, ...], tuple[int, ...]]]:
    """For every slot, all policies that it may have, and the indices of those that are open."""
    values = opened.open[len(opened.space.architectures.choices) :]
    return list(zip(opened.space.slot_policies, values, strict=True))


def _list_known_policies(opened: Subspace) -> list[LayerPolicy]:
    """Every policy that is open in some layer, in the order of the space."""
    somewhere = {known[value] for known, values in _list_open_policies(opened) for value in values}
    return [policy for policy in opened.space.policies.all_policies if policy in somewhere]


def _name_level(gene: Gene) -> str:
    """Genes of equal name share a level: an ordered gene with its dimension, another one with none."""
    return gene.dimension if gene.is_ordered else gene.name
