"""Supernets of one leaf and of several: every candidate runs on, and is cut from, the weights that are meant for it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.compression.compress import apply_policy
from search_spaces.candidate import Candidate
from search_spaces.elastic.shared_weights import SharedWeights
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.subspace import Subspace

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w3a8"]))
NUMBER = {gene.name: number for number, gene in enumerate(SPACE.genes)}
KERNEL, POLICY = NUMBER["0.0.kernel"], NUMBER["stages.0.0.depthwise.policy"]


def images(candidate: Candidate) -> Tensor:
    side = candidate.architecture.resolution
    return torch.randn(3, 1, side, side, generator=torch.Generator().manual_seed(0))


def drawn(domain: Subspace, count: int) -> list[Candidate]:
    population = domain.sample(np.random.default_rng(1), count)
    return [population[row] for row in range(count)]


@torch.no_grad()
def split() -> Supernet:
    """Leaves of a small and a large kernel of the first block; then of full and of reduced precision."""
    net = build_supernet(SPACE.architectures, 0).eval()
    whole = Subspace.whole(SPACE)
    net.split([(0, whole.restrict(KERNEL, (number,))) for number in (0, 1)])
    bits = ((0,), (1, 2))
    net.split(
        [(leaf, domain.restrict(POLICY, group)) for leaf, domain in enumerate(net.leaf_subspaces) for group in bits]
    )
    generator = torch.Generator().manual_seed(2)
    for parameter in net.parameters():
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return net


@pytest.fixture(scope="module")
def net() -> Supernet:
    """A split supernet whose four leaves have drifted apart; not to be changed."""
    return split()


@torch.no_grad()
def test_one_leaf_is_its_shared_weights() -> None:
    one = build_supernet(SPACE.architectures, 0).eval()
    (weights,) = one.leaves
    assert isinstance(weights, SharedWeights)
    assert one.leaf_subspaces == ()
    assert one.space is weights.space
    for candidate in drawn(Subspace.whole(SPACE), 3):
        inputs, architecture, policy = images(candidate), candidate.architecture, candidate.policy
        assert one.weights_for(architecture, policy) is weights
        assert torch.equal(one(inputs, architecture, policy), weights(inputs, architecture, policy))
        cut = one.extract(architecture, policy).state_dict()
        assert all(
            torch.equal(cut[name], tensor) for name, tensor in weights.extract(architecture).state_dict().items()
        )
    assert not one.learns_weight_steps
    one.learn_weight_steps(3)
    assert one.learns_weight_steps
    assert weights.learns_weight_steps


def test_every_candidate_has_its_leaf(net: Supernet) -> None:
    met = set()
    for candidate in drawn(Subspace.whole(SPACE), 60):
        kernel, policy = SPACE.encode([candidate]).genes[0][[KERNEL, POLICY]]
        expected = 2 * int(kernel) + (policy > 0)
        assert net.weights_for(candidate.architecture, candidate.policy) is net.leaves[expected]
        met.add(expected)
    assert met == {0, 1, 2, 3}


def test_leaves_of_genes_that_always_matter_partition_the_space(net: Supernet) -> None:
    population = Subspace.whole(SPACE).sample(np.random.default_rng(2), 200)
    holders = np.array([domain.contains(population) for domain in net.leaf_subspaces])
    assert holders.sum(0).tolist() == [1] * 200
    assert holders.any(1).all()
    for row in range(20):
        candidate = population[row]
        home = net.leaves[int(holders[:, row].argmax())]
        assert net.weights_for(candidate.architecture, candidate.policy) is home


def test_without_a_policy_layers_count_as_full_precision(net: Supernet) -> None:
    largest = SPACE.largest().architecture
    assert net.weights_for(largest) is net.leaves[2]


@torch.no_grad()
@pytest.mark.usefixtures("double_precision")
def test_what_is_cut_from_a_leaf_computes_what_the_leaf_computes(net: Supernet) -> None:
    net = copy.deepcopy(net).double()
    for leaf, domain in enumerate(net.leaf_subspaces):
        for candidate in drawn(domain, 2):
            inputs, architecture, policy = images(candidate), candidate.architecture, candidate.policy
            cut = apply_policy(net.extract(architecture, policy), SPACE.architectures.layers(architecture), policy)
            found = net(inputs, architecture, policy)
            torch.testing.assert_close(cut(inputs), found, rtol=1e-4, atol=1e-4)
            others = [weights(inputs, architecture, policy) for weights in net.leaves]
            home = net.weights_for(architecture, policy)
            assert [torch.equal(other, found) for other in others] == [weights is home for weights in net.leaves], leaf


def test_leaves_learn_alone() -> None:
    net = split().train()
    candidate = net.leaf_subspaces[3].largest()
    net(images(candidate), candidate.architecture, candidate.policy).sum().backward()
    touched = [any(parameter.grad is not None for parameter in leaf.parameters()) for leaf in net.leaves]
    assert touched == [False, False, False, True]


def test_a_candidate_that_no_leaf_serves_is_named() -> None:
    net = build_supernet(SPACE.architectures, 0)
    net.split([(0, Subspace.whole(SPACE).restrict(KERNEL, (0,)))])
    largest = SPACE.largest()
    with pytest.raises(ValueError, match=f"no leaf of the split supernet serves candidate {largest.key}"):
        net(images(largest), largest.architecture, largest.policy)


def test_a_supernet_takes_over_the_leaves_of_another(net: Supernet) -> None:
    fresh = build_supernet(SPACE.architectures, 1)
    fresh.replace_leaves(net)
    assert fresh.leaf_subspaces == net.leaf_subspaces
    candidate = net.leaf_subspaces[1].largest()
    assert fresh.weights_for(candidate.architecture, candidate.policy) is net.leaves[1]
