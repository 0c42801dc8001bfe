"""Leaves of a supernet: where it is split, what they inherit, and whom they serve."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from nas.training.distributed.team import Alone
from nas.training.few_shot.gradient_matching import matching
from nas.training.few_shot.grouping import best_partition, separation
from nas.training.few_shot.leaf_splits import divide, parts
from nas.training.schedules.phase import Phase, Split
from nas.training.schedules.schedule import Schedule
from nas.training.step.gradients import Batch
from search_spaces.candidate import Architecture
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace

BITS = ("w32a32", "w8a8", "w4a8")
UNFINISHED = "training.safetensors"


def batch_of(number: int, resolution: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    return Batch(torch.randn(16, 1, resolution, resolution, generator=generator), torch.arange(16) % 10)


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
    (division,) = divide(net, whole, Split((dimension,), batches=1), batch_of, Alone(), (1,))
    net.split(parts(net, whole, [division]))
    gene = division.gene
    assert space.genes[gene].dimension == dimension
    first, second = (set(domain.open[gene]) for domain in net.leaf_subspaces)
    assert not first & second
    assert first | second == set(range(len(space.genes[gene].values)))
    for domain in net.leaf_subspaces:
        assert [o for n, o in enumerate(domain.open) if n != gene] == [o for n, o in enumerate(whole.open) if n != gene]
    population = space.sample(np.random.default_rng(0), 40)
    held = [domain.contains(population) for domain in net.leaf_subspaces]
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
        divisions = divide(net, whole, Split(dimensions, batches=1), batch_of, Alone(), (count,))
        assert all(net.leaf_subspaces[one.leaf].is_always_active(one.gene) for one in divisions if net.leaf_subspaces)
        net.split(parts(net, whole, divisions))
        assert len(net.leaf_subspaces) == count
        holders = np.sum([domain.contains(population) for domain in net.leaf_subspaces], axis=0)
        assert holders.tolist() == [1] * 200


def test_what_a_phase_keeps_closed_has_one_leaf_too(lab: Callable[..., Any]) -> None:
    """Small depths, in which the second block's kernel does not matter, may be trained by a later phase."""
    trained = lab("mobilenet_v3_digits")
    net, domain = trained.supernet().train(), Subspace.opened(trained.space, {"0.0.kernel": "all", "0.1.kernel": "all"})
    with torch.no_grad():  # the kernels of the first block agree
        weight = net.leaves[0].network.get_submodule("stages.0.0.depthwise").op.weight
        weight[..., 0, :] = weight[..., -1, :] = weight[..., 0] = weight[..., -1] = 0
    net.split(parts(net, domain, divide(net, domain, Split(("kernel",), batches=1), batch_of, Alone(), (1,))))
    population = trained.space.sample(np.random.default_rng(1), 200)
    assert np.sum([one.contains(population) for one in net.leaf_subspaces], axis=0).tolist() == [1] * 200


def test_a_gene_is_split_once_only_where_it_always_matters_and_only_if_it_is_fully_open(
    lab: Callable[..., Any],
) -> None:
    trained = lab("mobilenet_v3_digits", BITS)
    whole, space = Subspace.whole(trained.space), trained.space

    def splittable(domain: Subspace, groups: int = 2) -> list[str]:
        return [
            space.genes[gene].name
            for gene in domain.find_splittable_genes(("depth", "kernel", "expand"), groups, domain)
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
    domain = Subspace.opened(trained.space, {name: "all", "policy": ["w8a8"]})
    gene, split = gene_named(trained.space, name), Split(("policy",), batches=1)
    (found,) = divide(net, domain, split, batch_of, Alone(), (1,))
    with_steps = directly(net.leaves[0], domain, gene, 1)[1]
    without = directly(net.leaves[0], domain, gene, 1, lambda parameter: not parameter.endswith("log_weight_step"))[1]
    assert found.separation == pytest.approx(without, rel=1e-9)
    assert without != pytest.approx(with_steps, rel=1e-6)


def test_children_inherit_weights_and_momentum_and_then_take_turns(lab: Callable[..., Any], tmp_path: Path) -> None:
    trained = lab("mobilenet_v3_digits")
    whole = Phase("whole", 1, 0.05, {"kernel": "all"}, ("largest", "random"), "in_place")
    split = Split(("kernel",), batches=1)
    leaves = Phase("leaves", 1, 0.05, {"0.0.kernel": "all", "expand": "all"}, ("largest", "random"), split=split)
    schedule = Schedule((whole, leaves))

    def state() -> dict[str, Tensor]:
        return load_file(tmp_path / UNFINISHED)

    def of_leaf(tensors: dict[str, Tensor], number: int) -> dict[str, Tensor]:
        mark = f"leaves.{number}."
        found = {name.replace(mark, ""): tensor for name, tensor in tensors.items() if mark in name}
        return {name: tensor for name, tensor in found.items() if "running" not in name and "tracked" not in name}

    def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
        return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())

    trained.train(tmp_path, schedule, kill_at=4, checkpoint_s=0)
    parent = of_leaf(state(), 0)
    assert any("momentum" in name for name in parent)
    trained.train(tmp_path, schedule, kill_at=2, checkpoint_s=0)  # after three steps it is the turn of leaf 1
    net = trained.loaded(tmp_path / UNFINISHED)
    assert [domain.open[gene_named(trained.space, "0.0.kernel")] for domain in net.leaf_subspaces] == [(0,), (1,)]
    after_4 = state()
    assert same(of_leaf(after_4, 0), parent)
    assert not same(of_leaf(after_4, 1), parent)
    trained.train(tmp_path, schedule, kill_at=2, checkpoint_s=0)
    after_5 = state()
    assert same(of_leaf(after_5, 1), of_leaf(after_4, 1))
    assert not same(of_leaf(after_5, 0), parent)


def directly(
    weights: nn.Module,
    domain: Subspace,
    gene: int,
    batches: int,
    compared: Callable[[str], bool] = lambda _name: True,
) -> tuple[Any, float]:
    """The grouping and its worth where nothing but the gene is open, so that there is one context."""
    scores = []
    for number in range(batches):
        batch, gradients = batch_of(number, 16), []
        for value in domain.open[gene]:
            one = domain.restrict(gene, (value,)).largest()
            clone = copy.deepcopy(weights)
            F.cross_entropy(clone(batch.inputs, one.architecture, one.policy), batch.labels).backward()
            gradients.append([parameter.grad for key, parameter in clone.named_parameters() if compared(key)])
        used = [all(g[n] is not None for g in gradients) for n in range(len(gradients[0]))]
        scores.append(matching([[g for g, keep in zip(of, used, strict=True) if keep] for of in gradients]))
    mean = np.mean(scores, axis=0)
    partition = best_partition(mean, 2)
    return tuple(tuple(domain.open[gene][op] for op in group) for group in partition), separation(mean, partition)


@pytest.mark.parametrize("name", ["0.0.expand", "1.0.kernel", "1.depth", "stages.0.0.depthwise.policy"])
def test_a_division_is_what_gradient_matching_gives(lab: Callable[..., Any], name: str) -> None:
    trained = lab("mobilenet_v3_digits", BITS)
    net, gene = trained.supernet().train(), gene_named(trained.space, name)
    domain = Subspace.opened(trained.space, {name: "all"})
    dimension = trained.space.genes[gene].dimension
    (found,) = divide(net, domain, Split((dimension,), batches=2), batch_of, Alone(), (1,))
    groups, worth = directly(net.leaves[0], domain, gene, 2)
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
    domain = Subspace.opened(trained.space, {"0.0.kernel": "all", "1.0.kernel": "all"})
    (found,) = divide(net, domain, Split(("kernel",), batches=2), batch_of, Alone(), (1,))
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
    domain = Subspace.opened(trained.space, {"0.0.expand": "all", "0.depth": [1]})  # which clears the kernel of 0.1
    found = divide(net, domain, Split(("expand",), batches=1), batch_of, Alone(), (1,))
    gene = gene_named(trained.space, "0.0.expand")
    worths = [directly(net.leaves[leaf], domain, gene, 1)[1] for leaf in (0, 1)]
    assert [division.separation for division in found] == pytest.approx(worths, rel=1e-3)
    assert worths[0] != pytest.approx(worths[1], rel=1e-2)


def test_deep_versions_have_every_kernel_that_is_open(lab: Callable[..., Any]) -> None:
    trained = lab("mobilenet_v3_digits")
    net, seen = trained.supernet().train(), set()

    def look(_module: nn.Module, arguments: tuple[Any, ...]) -> None:
        architecture: Architecture = arguments[1]
        seen.update((s, len(blocks), blocks[-1].kernel_size) for s, blocks in enumerate(architecture.stages))

    net.leaves[0].register_forward_pre_hook(look)
    divide(net, Subspace.whole(trained.space), Split(("depth",), batches=8), batch_of, Alone(), (1,))
    assert {kernel for stage, depth, kernel in seen if depth == 2} == {3, 5}
    assert {(stage, depth) for stage, depth, _ in seen} == {(0, 1), (0, 2), (1, 1), (1, 2)}


def test_leaves_may_split_along_different_genes(lab: Callable[..., Any]) -> None:
    trained = lab("resnet_digits")
    net, whole = trained.supernet().train(), Subspace.whole(trained.space)
    two_leaves(net, trained.space, "0.depth")
    divisions = divide(net, whole, Split(("depth",), batches=1), batch_of, Alone(), (1,))
    assert [division.gene for division in divisions] == [gene_named(trained.space, "1.depth")] * 2  # what is left
    parents = [copy.deepcopy(leaf.state_dict()) for leaf in net.leaves]
    inherited = parts(net, whole, divisions)
    net.split(inherited)
    assert [parent for parent, _ in inherited] == [0, 0, 1, 1]
    for (parent, _), leaf in zip(inherited, net.leaves, strict=True):
        assert all(torch.equal(tensor, parents[parent][name]) for name, tensor in leaf.state_dict().items())
    population = trained.space.sample(np.random.default_rng(0), 30)
    assert np.sum([domain.contains(population) for domain in net.leaf_subspaces], axis=0).tolist() == [1] * 30


@pytest.mark.parametrize(
    ("opened", "groups"),
    [({"kernel": "all"}, 3), ({"expand": "all"}, 2), ({"kernel": [5]}, 2), ({"0.1.kernel": "all", "depth": "all"}, 2)],
)
def test_a_phase_that_opens_no_gene_to_split_is_named(
    lab: Callable[..., Any], tmp_path: Path, opened: dict[str, Any], groups: int
) -> None:
    trained = lab("mobilenet_v3_digits")
    schedule = Schedule((Phase("leaves", 1, 0.1, opened, split=Split(("kernel",), groups, 1)),))
    with pytest.raises(ValueError, match="phase 'leaves': a split by kernel needs a gene") as caught:
        trained.train(tmp_path, schedule)
    assert "\n" not in str(caught.value)
    assert f"opens fully, of {groups} or more values, that matters in all candidates; there are 0" in str(caught.value)


def test_a_supernet_split_too_often_is_refused_before_it_is_trained(lab: Callable[..., Any], tmp_path: Path) -> None:
    trained = lab("mobilenet_v3_digits")
    split = Split(("kernel",), batches=1)
    plain = Phase("plain", 1, 0.1, {"kernel": "all"}, ("random",))
    once, twice, thrice = (replace(plain, name=name, split=split) for name in ("once", "twice", "thrice"))
    Schedule((plain, once, twice)).domains(trained.space)
    with pytest.raises(
        ValueError, match=r"phase 'thrice': .* there are 2, and earlier splits may have taken 2 of them"
    ):
        trained.train(tmp_path, Schedule((plain, once, twice, thrice)))
    assert not any(tmp_path.iterdir())


def test_a_gene_of_too_many_values_to_enumerate_is_refused(lab: Callable[..., Any], tmp_path: Path) -> None:
    policies = tuple(f"w{weights}a{activations}" for weights in (8, 7, 6, 5, 4) for activations in (8, 6, 4))
    trained = lab("resnet_digits", policies)
    leaves = Phase("leaves", 1, 0.1, {"policy": "all"}, ("random",), split=Split(("policy",), batches=1))
    with pytest.raises(
        ValueError, match=r"phase 'leaves': a split compares at most 12 values of a gene, got 15 of stem"
    ):
        trained.train(tmp_path, Schedule((leaves,)))
