"""Leaves of a supernet: where it is split, what they inherit, and whom they serve."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import compress
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.training.distributed.team import SingleProcess
from nas.training.few_shot.gradient_matching import compute_matching_scores
from nas.training.few_shot.grouping import choose_grouping, measure_separation
from nas.training.few_shot.leaf_splits import GradientComparison, choose_leaf_splits, list_new_leaves
from nas.training.schedules.phase import FewShotSplit
from nas.training.step.batches import Batch
from search_spaces.candidate import Architecture, OperatorBlock
from search_spaces.choices import Choice
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace
from search_spaces.layer_slot import LayerSlot
from search_spaces.layer_spec import LayerSpec
from search_spaces.search_space import Genes, SearchSpace
from search_spaces.subspace import Subspace

BITS = ("w32a32", "w8a8", "w4a8")
UNFINISHED = "training.safetensors"


def load_batch(number: int, resolution: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    return Batch(torch.randn(16, 1, resolution, resolution, generator=generator), torch.arange(16) % 10)


def compare(dimensions: tuple[str, ...], batches: int = 1, seed: int = 1) -> GradientComparison:
    return GradientComparison(FewShotSplit(dimensions, batches=batches), load_batch, SingleProcess(), (seed,))


def gene_named(space: JointSpace, name: str) -> int:
    return next(number for number, gene in enumerate(space.genes) if gene.name == name)


@pytest.mark.parametrize(
    ("name", "dimension"),
    [
        ("mobilenet_v3_digits", "kernel"),
        ("mobilenet_v3_digits", "depth"),
        ("mobilenet_v3_digits", "expand"),
        ("resnet_digits", "width"),
        ("resnet_digits", "ratio"),
        ("resnet_digits", "policy"),
    ],
)
def test_two_leaves_share_out_the_candidates(lab: Callable[..., Any], name: str, dimension: str) -> None:
    trained = lab(name, BITS)
    space, net, whole = trained.space, trained.supernet().train(), Subspace.whole(trained.space)
    (split,) = choose_leaf_splits(net, whole, compare((dimension,)))
    net.split(list_new_leaves(net, whole, [split]))
    gene = split.gene
    assert space.genes[gene].dimension == dimension
    first, second = (set(subspace.open[gene]) for subspace in net.leaf_subspaces)
    assert not first & second
    assert first | second == set(range(len(space.genes[gene].values)))
    for subspace in net.leaf_subspaces:
        assert [o for n, o in enumerate(subspace.open) if n != gene] == [
            o for n, o in enumerate(whole.open) if n != gene
        ]
    population = space.sample(np.random.default_rng(0), 40)
    held = [subspace.contains(population) for subspace in net.leaf_subspaces]
    for row in range(len(population)):
        candidate, leaf = population[row], int(int(population.genes[row, gene]) in second)
        assert net.weights_for(candidate.architecture, candidate.policy) is net.leaves[leaf]
        assert [holds[row] for holds in held] == [leaf == 0, leaf == 1]
    assert all(any(holds) for holds in held)


@pytest.mark.parametrize("name", ["mobilenet_v3_digits", "resnet_digits"])
@pytest.mark.parametrize("dimensions", [("depth", "kernel", "expand", "width", "ratio"), ("policy",)])
def test_leaves_of_any_splits_partition_the_space(
    lab: Callable[..., Any], name: str, dimensions: tuple[str, ...]
) -> None:
    trained = lab(name, BITS)
    space, net, whole = trained.space, trained.supernet().train(), Subspace.whole(trained.space)
    population = space.sample(np.random.default_rng(1), 200)
    for count in (2, 4, 8) if name == "resnet_digits" else (2, 4):  # a third time is dear in the larger space
        splits = choose_leaf_splits(net, whole, compare(dimensions, 1, count))
        assert all(net.leaf_subspaces[one.leaf].is_always_active(one.gene) for one in splits if net.leaf_subspaces)
        net.split(list_new_leaves(net, whole, splits))
        assert len(net.leaf_subspaces) == count
        holders = np.sum([subspace.contains(population) for subspace in net.leaf_subspaces], axis=0)
        assert holders.tolist() == [1] * 200


def test_what_a_phase_keeps_closed_has_one_leaf_too(lab: Callable[..., Any]) -> None:
    """Small depths, in which the second block's kernel does not matter, may be trained by a later phase."""
    trained = lab("mobilenet_v3_digits")
    net, subspace = (
        trained.supernet().train(),
        Subspace.opened(trained.space, {"0.0.kernel": "all", "0.1.kernel": "all"}),
    )
    with torch.no_grad():  # the kernels of the first block agree
        weight = net.leaves[0].network.get_submodule("stages.0.0.depthwise").op.weight
        weight[..., 0, :] = weight[..., -1, :] = weight[..., 0] = weight[..., -1] = 0
    net.split(list_new_leaves(net, subspace, choose_leaf_splits(net, subspace, compare(("kernel",)))))
    population = trained.space.sample(np.random.default_rng(1), 200)
    assert np.sum([one.contains(population) for one in net.leaf_subspaces], axis=0).tolist() == [1] * 200


def test_a_gene_is_split_once_only_where_it_always_matters_and_only_if_it_is_fully_open(
    lab: Callable[..., Any],
) -> None:
    trained = lab("mobilenet_v3_digits", BITS)
    whole, space = Subspace.whole(trained.space), trained.space

    def splittable(subspace: Subspace, groups: int = 2) -> list[str]:
        return [
            space.genes[gene].name
            for gene in subspace.find_splittable_genes(("depth", "kernel", "expand"), groups, subspace)
        ]

    first = ["depth", "0.kernel", "0.expand"]
    assert splittable(whole) == [f"{stage}.{gene}" for stage in (0, 1) for gene in first]
    assert splittable(whole, 3) == ["0.0.expand", "1.0.expand"]
    deep = whole.restrict(gene_named(space, "0.depth"), (1,))
    assert splittable(deep) == [
        *("0.0.kernel", "0.0.expand", "0.1.kernel", "0.1.expand"),
        *("1.depth", "1.0.kernel", "1.0.expand"),
    ]
    assert "0.0.expand" not in splittable(whole.restrict(gene_named(space, "0.0.expand"), (1, 2)))


@pytest.mark.usefixtures("double_precision")
def test_learnt_steps_are_not_compared(lab: Callable[..., Any]) -> None:
    trained = lab("mobilenet_v3_digits", BITS)
    net = trained.supernet().train()
    net.learn_weight_steps(4)
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            parameter -= 3 * key.endswith("log_weight_step")  # so short that they clip, which they learn from
    name = "stages.0.0.depthwise.policy"
    subspace = Subspace.opened(trained.space, {name: "all", "policy": ["w8a8"]})
    gene = gene_named(trained.space, name)
    (found,) = choose_leaf_splits(net, subspace, compare(("policy",)))
    with_steps = directly(net.leaves[0], subspace, gene, 1)[1]
    without = directly(net.leaves[0], subspace, gene, 1, lambda parameter: not parameter.endswith("log_weight_step"))[1]
    assert found.separation == pytest.approx(without, rel=1e-9)
    assert without != pytest.approx(with_steps, rel=1e-6)


def directly(
    weights: nn.Module,
    subspace: Subspace,
    gene: int,
    batches: int,
    compared: Callable[[str], bool] = lambda _name: True,
) -> tuple[Any, float]:
    """The grouping and its worth where nothing but the gene is open, so that there is one context."""
    scores = []
    for number in range(batches):
        batch, gradients = load_batch(number, 16), []
        for value in subspace.open[gene]:
            one = subspace.restrict(gene, (value,)).largest()
            clone = copy.deepcopy(weights)
            F.cross_entropy(clone(batch.inputs, one.architecture, one.policy), batch.labels).backward()
            gradients.append([parameter.grad for key, parameter in clone.named_parameters() if compared(key)])
        used = [all(g[n] is not None for g in gradients) for n in range(len(gradients[0]))]
        scores.append(compute_matching_scores([list(compress(row, used)) for row in gradients]))
    mean = np.mean(scores, axis=0)
    grouping = choose_grouping(mean, 2)
    groups = tuple(tuple(subspace.open[gene][value] for value in group) for group in grouping)
    return groups, measure_separation(mean, grouping)


@pytest.mark.parametrize("name", ["0.0.expand", "1.0.kernel", "1.depth", "stages.0.0.depthwise.policy"])
def test_a_split_is_what_gradient_matching_gives(lab: Callable[..., Any], name: str) -> None:
    trained = lab("mobilenet_v3_digits", BITS)
    net, gene = trained.supernet().train(), gene_named(trained.space, name)
    subspace = Subspace.opened(trained.space, {name: "all"})
    dimension = trained.space.genes[gene].dimension
    (found,) = choose_leaf_splits(net, subspace, compare((dimension,), 2))
    groups, worth = directly(net.leaves[0], subspace, gene, 2)
    assert (found.leaf, found.gene, found.groups) == (0, gene, groups)
    assert found.separation == pytest.approx(worth, rel=1e-3)
    assert found.separation > 0


@pytest.mark.parametrize("conflicting", [0, 1])
def test_the_gene_whose_values_disagree_is_split(lab: Callable[..., Any], conflicting: int) -> None:
    trained = lab("mobilenet_v3_digits")
    net = trained.supernet().train()
    with torch.no_grad():
        for stage in (0, 1):
            weight = net.leaves[0].network.get_submodule(f"stages.{stage}.0.depthwise").op.weight
            centre = weight[..., 1:-1, 1:-1].clone()
            weight *= 20.0 if stage == conflicting else 0.0  # 0: both kernels compute the same
            weight[..., 1:-1, 1:-1] = centre
    subspace = Subspace.opened(trained.space, {"0.0.kernel": "all", "1.0.kernel": "all"})
    (found,) = choose_leaf_splits(net, subspace, compare(("kernel",), 2))
    assert trained.space.genes[found.gene].name == f"{conflicting}.0.kernel"


def two_leaves(net: Supernet, space: JointSpace, gene: str) -> None:
    whole, number = Subspace.whole(space), gene_named(space, gene)
    net.split([(0, whole.restrict(number, (0,))), (0, whole.restrict(number, (1,)))])


def test_every_leaf_is_judged_by_its_own_weights(lab: Callable[..., Any]) -> None:
    trained = lab("mobilenet_v3_digits")
    net = trained.supernet()
    two_leaves(net, trained.space, "0.1.kernel")
    net.leaves[1].load_state_dict(trained.supernet(seed=1).leaves[0].state_dict())
    net.train()
    subspace = Subspace.opened(trained.space, {"0.0.expand": "all", "0.depth": [1]})  # which clears the kernel of 0.1
    found = choose_leaf_splits(net, subspace, compare(("expand",)))
    gene = gene_named(trained.space, "0.0.expand")
    worths = [directly(net.leaves[leaf], subspace, gene, 1)[1] for leaf in (0, 1)]
    assert [split.separation for split in found] == pytest.approx(worths, rel=1e-3)
    assert worths[0] != pytest.approx(worths[1], rel=1e-2)


def test_deep_versions_have_every_kernel_that_is_open(lab: Callable[..., Any]) -> None:
    trained = lab("mobilenet_v3_digits")
    net, seen = trained.supernet().train(), set()

    def look(_module: nn.Module, arguments: tuple[Any, ...]) -> None:
        architecture: Architecture = arguments[1]
        seen.update((s, len(blocks), blocks[-1].kernel_size) for s, blocks in enumerate(architecture.stages))

    net.leaves[0].register_forward_pre_hook(look)
    choose_leaf_splits(net, Subspace.whole(trained.space), compare(("depth",), 8))
    assert {kernel for stage, depth, kernel in seen if depth == 2} == {3, 5}
    assert {(stage, depth) for stage, depth, _ in seen} == {(0, 1), (0, 2), (1, 1), (1, 2)}


def test_leaves_may_split_along_different_genes(lab: Callable[..., Any]) -> None:
    trained = lab("resnet_digits")
    net, whole = trained.supernet().train(), Subspace.whole(trained.space)
    two_leaves(net, trained.space, "0.depth")
    splits = choose_leaf_splits(net, whole, compare(("depth",)))
    assert [split.gene for split in splits] == [gene_named(trained.space, "1.depth")] * 2  # what is left
    parents = [copy.deepcopy(leaf.state_dict()) for leaf in net.leaves]
    inherited = list_new_leaves(net, whole, splits)
    net.split(inherited)
    assert [parent for parent, _ in inherited] == [0, 0, 1, 1]
    for (parent, _), leaf in zip(inherited, net.leaves, strict=True):
        assert all(torch.equal(tensor, parents[parent][name]) for name, tensor in leaf.state_dict().items())
    population = trained.space.sample(np.random.default_rng(0), 30)
    assert np.sum([subspace.contains(population) for subspace in net.leaf_subspaces], axis=0).tolist() == [1] * 30


OPERATORS = {"keep": 1.0, "copy": 1.0, "negate": -1.0}


class Operators(SearchSpace):
    """Two choices, each of one of three operators; `keep` and `copy` are the same."""

    def __init__(self) -> None:
        names = ("0.operator", "1.operator")
        choices = [Choice("resolution", (1,)), *(Choice(name, tuple(OPERATORS)) for name in names)]
        super().__init__(
            "operators", choices, [LayerSlot("edge", names, lambda _: LayerSpec.linear("edge", 1, 2, bias=False))]
        )

    def decode(self, genes: Genes) -> Architecture:
        return Architecture(self.name, 1, tuple((OperatorBlock(tuple(OPERATORS)[gene]),) for gene in genes[1:]))

    def encode(self, architecture: Architecture) -> Genes:
        raise NotImplementedError


class Weights(nn.Module):
    """A scalar prefix; the operators of one choice scale what it gives, those of the other do nothing."""

    def __init__(self, deciding: int) -> None:
        super().__init__()
        self.prefix, self.deciding = nn.Parameter(torch.zeros(())), deciding

    def forward(self, inputs: Tensor, architecture: Architecture, _policy: Any) -> Tensor:
        (block,) = architecture.stages[self.deciding]
        assert isinstance(block, OperatorBlock)
        outputs = OPERATORS[str(block.operator)] * self.prefix * inputs.flatten(1)
        return torch.cat([outputs, torch.zeros_like(outputs)], 1)


@pytest.mark.parametrize("deciding", [0, 1])
def test_the_choice_whose_operators_conflict_is_split_between_them(deciding: int) -> None:
    space = JointSpace(Operators())
    inputs = torch.tensor([1.0, 2.0, -0.5, 1.5]).view(4, 1, 1, 1)
    net: Any = SimpleNamespace(leaves=[Weights(deciding)], leaf_subspaces=())
    whole = Subspace.whole(space)
    batch = Batch(inputs, torch.tensor([0, 1, 1, 0]))
    comparison = GradientComparison(FewShotSplit(("operator",), batches=2), lambda *_: batch, SingleProcess(), (0,))
    (split,) = choose_leaf_splits(net, whole, comparison)
    assert space.genes[split.gene].name == f"{deciding}.operator"
    assert split.groups == ((0, 1), (2,))
    assert split.separation == pytest.approx(2.0)
    assert split.describe(space) == f"leaf 0 by {deciding}.operator: keep, copy | negate (separation 2)"
    assert [served.open[split.gene] for _, served in list_new_leaves(net, whole, [split])] == [(0, 1), (2,)]
