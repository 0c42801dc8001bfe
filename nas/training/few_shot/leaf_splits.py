"""Chooses the gene by which each leaf of a supernet is split: the one whose values disagree most about shared weights.

A leaf is a part of the space with weights of its own. A split divides that part by the values of one gene.
Source: Hu et al., "Generalizing Few-Shot NAS with Gradient Matching", ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nas.tasks.classification import CLASSIFICATION
from nas.tasks.task import Task
from nas.training.distributed.team import Team
from nas.training.few_shot.gradient_matching import compute_matching_scores
from nas.training.few_shot.grouping import Grouping, choose_grouping, measure_separation
from nas.training.schedules.phase import FewShotSplit
from nas.training.step.batches import Batch
from nas.training.step.subnets import fix_resolution
from search_spaces.candidate import Candidate
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace


@dataclass(frozen=True)
class LeafSplit:
    """How one leaf is split.

    Attributes:
        leaf: Index of the leaf.
        gene: Index of the gene that the leaf is split by.
        groups: Groups of the open values of the gene, as indices of its values; each group becomes a leaf.
        separation: Mean disagreement, 1 - cosine, of the gradients of values in different groups.
    """

    leaf: int
    gene: int
    groups: Grouping
    separation: float

    def describe(self, space: JointSpace) -> str:
        """The split in one line, such as `leaf 0 by 0.0.kernel: 3 | 5, 7 (separation 0.41)`."""
        gene = space.genes[self.gene]
        groups = " | ".join(", ".join(str(gene.values[value]) for value in group) for group in self.groups)
        return f"leaf {self.leaf} by {gene.name}: {groups} (separation {self.separation:.2g})"


@dataclass(frozen=True)
class GradientComparison:
    """The settings of a comparison of the gradients of a gene's values.

    Attributes:
        split: The dimensions of genes that may be split, the number of groups, and the number of batches.
        load_batch: Returns the batch of an index, from 0, at a resolution.
        team: The processes over which scores are averaged.
        seed: Seed of the candidates that are compared, which differ in the value of the gene alone.
        task: What the labels mean.
    """

    split: FewShotSplit
    load_batch: Callable[[int, int], Batch]
    team: Team
    seed: tuple[int, ...]
    task: Task = CLASSIFICATION


@dataclass(frozen=True)
class _Leaf:
    """A leaf: its index, its weights, and the part of its subspace that is being trained."""

    number: int
    weights: nn.Module
    trained: Subspace


def choose_leaf_splits(supernet: Supernet, subspace: Subspace, comparison: GradientComparison) -> list[LeafSplit]:
    """Chooses for every leaf the gene, and the grouping of its values, whose gradients disagree most.

    Args:
        supernet: The supernet, in training mode.
        subspace: The part of the space that is being trained; leaves are split by genes that it opens fully.
        comparison: The settings of the comparison.

    Raises:
        ValueError: If a leaf has no gene left that it can be split by.
    """
    split, found = comparison.split, []
    for number, served in enumerate(_list_leaf_subspaces(supernet, subspace)):
        leaf = _Leaf(number, supernet.leaves[number], subspace.confine_to(served))
        genes = served.find_splittable_genes(split.dimensions, split.groups, leaf.trained)
        if not genes:
            raise ValueError(
                f"leaf {number} has no gene of {', '.join(split.dimensions)} left that is fully open, was not split "
                f"before, is active in all its candidates and has {split.groups} or more values; split fewer times, "
                "or name more dimensions"
            )
        splits = [_group_values(leaf, gene, comparison) for gene in genes]
        found.append(max(splits, key=lambda one: one.separation))
    return found


def list_new_leaves(supernet: Supernet, subspace: Subspace, splits: list[LeafSplit]) -> list[tuple[int, Subspace]]:
    """The leaves after a split, for `Supernet.split`: the index of the parent and the subspace of each.

    Args:
        supernet: The supernet before the split.
        subspace: The part of the space that is being trained.
        splits: The split of each leaf, a result of `choose_leaf_splits`.
    """
    served = _list_leaf_subspaces(supernet, subspace)
    return [(one.leaf, served[one.leaf].restrict(one.gene, group)) for one in splits for group in one.groups]


def _list_leaf_subspaces(supernet: Supernet, subspace: Subspace) -> tuple[Subspace, ...]:
    return supernet.leaf_subspaces or (Subspace.whole(subspace.space),)


def _group_values(leaf: _Leaf, gene: int, comparison: GradientComparison) -> LeafSplit:
    """The best split of a leaf by a gene, by scores that are averaged over batches and workers."""
    scores = []
    for number in range(comparison.split.batches):
        rng = np.random.default_rng((*comparison.seed, leaf.number, gene, number))
        candidates = _draw_versions(leaf.trained, gene, rng)
        batch = comparison.load_batch(number, candidates[0].architecture.resolution)
        gradients = _compute_shared_gradients(leaf.weights, candidates, batch, comparison.task)
        scores.append(compute_matching_scores(gradients))
    mean = torch.from_numpy(np.mean(scores, axis=0))
    comparison.team.average([mean])
    grouping = choose_grouping(mean.numpy(), comparison.split.groups)
    groups = tuple(tuple(leaf.trained.open[gene][value] for value in group) for group in grouping)
    return LeafSplit(leaf.number, gene, groups, measure_separation(mean.numpy(), grouping))


def _draw_versions(trained: Subspace, gene: int, rng: np.random.Generator) -> list[Candidate]:
    """A random candidate in one version for each open value of a gene."""
    # Drawn at the last value: if the gene is a depth, no block is missing then, so no gene is inactive.
    at_its_last = trained.restrict(gene, trained.open[gene][-1:])
    genes = fix_resolution(at_its_last, rng).sample(rng, 1).genes
    versions = np.repeat(genes, len(trained.open[gene]), axis=0)
    versions[:, gene] = trained.open[gene]
    population = trained.space.population(versions)
    return [population[row] for row in range(len(population))]


def _compute_shared_gradients(
    weights: nn.Module, candidates: list[Candidate], batch: Batch, task: Task
) -> list[list[Tensor]]:
    """Gradient of the label loss for every candidate, on the tensors of a leaf that all of them use.

    The paper leaves out the weights of the edge that is split, as its operators have weights of their own. Here the
    values of a gene share the weights of their layer, so these are compared, too; only quantisation steps are left out.
    An entry of a tensor that a candidate does not use has a gradient of 0.
    """
    parameters = [weight for name, weight in weights.named_parameters() if not name.endswith("log_weight_step")]
    gradients = []
    for candidate in candidates:
        outputs = weights(batch.inputs, candidate.architecture, candidate.policy)
        loss = task.compute_mixed_loss(outputs, batch.labels, batch.mixture)
        gradients.append(torch.autograd.grad(loss, parameters, allow_unused=True))
    shared = [index for index in range(len(parameters)) if all(g[index] is not None for g in gradients)]
    return [[found[index] for index in shared] for found in gradients]
