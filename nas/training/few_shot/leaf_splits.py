"""Few-shot splitting: every leaf of a supernet is divided along the gene whose values disagree most.

In: a supernet, a domain and batches. Out: the parts that `Supernet.split` takes. Knows no optimiser and no file.
Source: Hu et al., "Generalizing Few-Shot NAS with Gradient Matching", ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.training.distributed.team import Team
from nas.training.few_shot.gradient_matching import matching
from nas.training.few_shot.grouping import Partition, best_partition, separation
from nas.training.schedules.phase import Split
from nas.training.step.gradients import Batch, at_one_resolution
from search_spaces.candidate import Candidate
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace

BatchOf = Callable[[int, int], Batch]  # of a number and a resolution


@dataclass(frozen=True)
class Division:
    """How one leaf is divided.

    Attributes:
        leaf: Its number.
        gene: The gene along which it is divided.
        groups: The open values of that gene that stay together, as indices into its domain.
        separation: Mean disagreement, 1 - cosine, of the gradients of values in different groups.
    """

    leaf: int
    gene: int
    groups: Partition
    separation: float

    def describe(self, space: JointSpace) -> str:
        """In one line, such as `leaf 0 by 0.0.kernel: 3 | 5, 7 (separation 0.41)`."""
        gene = space.genes[self.gene]
        groups = " | ".join(", ".join(str(gene.values[value]) for value in group) for group in self.groups)
        return f"leaf {self.leaf} by {gene.name}: {groups} (separation {self.separation:.2g})"


def divide(
    supernet: Supernet, domain: Subspace, split: Split, batch_of: BatchOf, team: Team, seed: tuple[int, ...]
) -> list[Division]:
    """Finds for every leaf the gene and the grouping of its values that separate the gradients most.

    Args:
        supernet: In training mode.
        domain: What is being trained; genes that it does not open fully are not split.
        split: Dimensions, groups and batches.
        batch_of: Gives batches.
        team: Scores are averaged over its members.
        seed: Of the contexts in which the values of a gene are compared.

    Raises:
        ValueError: If a leaf has no gene left to split.
    """
    found = []
    for leaf, whole in enumerate(supernet.leaf_subspaces or (Subspace.whole(domain.space),)):
        part = domain.confine_to(whole)
        genes = whole.find_splittable_genes(split.dimensions, split.groups, part)
        if not genes:
            raise ValueError(
                f"leaf {leaf} has no gene of {', '.join(split.dimensions)} left that is fully open, was not split "
                f"before, matters in all its candidates and has {split.groups} or more values; split fewer times, "
                "or name more dimensions"
            )
        divisions = [_division(supernet, part, leaf, gene, split, batch_of, team, seed) for gene in genes]
        found.append(max(divisions, key=lambda division: division.separation))
    return found


def parts(supernet: Supernet, domain: Subspace, divisions: list[Division]) -> list[tuple[int, Subspace]]:
    """The new leaves, for `Supernet.split`: of each its parent and its part of the space."""
    domains = supernet.leaf_subspaces or (Subspace.whole(domain.space),)
    return [
        (division.leaf, domains[division.leaf].restrict(division.gene, group))
        for division in divisions
        for group in division.groups
    ]


def _division(
    supernet: Supernet,
    part: Subspace,
    leaf: int,
    gene: int,
    split: Split,
    batch_of: BatchOf,
    team: Team,
    seed: tuple[int, ...],
) -> Division:
    scores = []
    for number in range(split.batches):
        rng = np.random.default_rng((*seed, leaf, gene, number))
        values = _same_but_for(part, gene, rng)
        batch = batch_of(number, values[0].architecture.resolution)
        scores.append(matching(_shared_gradients(supernet.leaves[leaf], values, batch)))
    mean = torch.from_numpy(np.mean(scores, axis=0))
    team.average([mean])
    partition = best_partition(mean.numpy(), split.groups)
    groups = tuple(tuple(part.open[gene][op] for op in group) for group in partition)
    return Division(leaf, gene, groups, separation(mean.numpy(), partition))


def _same_but_for(part: Subspace, gene: int, rng: np.random.Generator) -> list[Candidate]:
    """One random candidate in as many versions as the gene has open values."""
    at_its_last = part.restrict(gene, part.open[gene][-1:])  # a depth then leaves no gene of the context cleared
    genes = at_one_resolution(at_its_last, rng).sample(rng, 1).genes
    versions = np.repeat(genes, len(part.open[gene]), axis=0)
    versions[:, gene] = part.open[gene]
    population = part.space.population(versions)
    return [population[row] for row in range(len(population))]


def _shared_gradients(weights: nn.Module, values: list[Candidate], batch: Batch) -> list[list[Tensor]]:
    """Gradient of the label loss for every candidate, on the tensors of a leaf that all of them use.

    The paper leaves out the weights of the edge that is split, for its operators have weights of their own. Here the
    values of a gene share even those, and whether they agree about them is the very question; only the quantisation
    steps, which are no weights, are left out. What a version does not use within a tensor counts as zero.
    """
    parameters = [weight for name, weight in weights.named_parameters() if not name.endswith("log_weight_step")]
    gradients = []
    for candidate in values:
        loss = F.cross_entropy(weights(batch.inputs, candidate.architecture, candidate.policy), batch.labels)
        gradients.append(torch.autograd.grad(loss, parameters, allow_unused=True))
    shared = [index for index in range(len(parameters)) if all(g[index] is not None for g in gradients)]
    return [[found[index] for index in shared] for found in gradients]
