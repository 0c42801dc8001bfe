from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nas.search.protocol.first_design import create_first_design, list_obvious_candidates
from search_spaces.families.tabular import TabularSpace
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicyRule, PolicySpace
from search_spaces.presets import create_space
from search_spaces.subspace import Subspace

POLICIES = ["w32a32", "w8a8", "w4a8"]


@pytest.fixture(scope="module")
def space() -> JointSpace:
    return JointSpace(create_space("mobilenet_v3_cifar", 3, 10), PolicySpace.parse(POLICIES))


@pytest.fixture(scope="module")
def cells() -> JointSpace:
    operators = ["none", "skip", "conv1x1", "conv3x3"]
    rows = np.array(np.meshgrid(*[operators] * 3)).reshape(3, -1).T
    return JointSpace(TabularSpace("cells", pd.DataFrame(rows, columns=["a", "b", "c"]), ["a", "b", "c"]))


def test_the_obvious_are_extreme_architectures_under_every_uniform_policy(space: JointSpace) -> None:
    obvious = list_obvious_candidates(space)
    candidates = obvious.candidates
    assert len(obvious) == 6 * 3  # largest, smallest, least resolution, depth, kernel, expansion
    assert all(len(set(one.policy.layers)) == 1 for one in candidates)
    assert candidates[0].architecture == space.largest().architecture
    assert candidates[3].architecture == space.smallest().architecture
    assert {len(set(candidates[start : start + 3])) for start in range(0, 18, 3)} == {3}


def test_the_rest_spreads_sizes_and_shares_of_policies(space: JointSpace) -> None:
    design = create_first_design(space, 200, seed=0)
    rest = design.genes[len(list_obvious_candidates(space)) :]
    drawn = space.sample(np.random.default_rng(0), len(rest)).genes
    policies = np.array([gene.is_policy for gene in space.genes])
    active = space.is_active(rest)[:, policies]

    def widest(genes: np.ndarray, columns: np.ndarray) -> float:
        """Standard deviation of the mean gene, over candidates."""
        return float(
            np.where(space.is_active(genes), genes, np.nan)[:, columns]
            .mean(axis=1, where=space.is_active(genes)[:, columns])
            .std()
        )

    assert widest(rest, policies) > 2 * widest(drawn, policies)
    shares = np.array([((rest[:, policies] == value) & active).sum(1) / active.sum(1) for value in range(3)])
    assert (shares.max(axis=0) > 0.9).mean() > 0.2  # nearly uniform ones are common
    assert 0.2 < shares.mean(axis=1).min() <= shares.mean(axis=1).max() < 0.5  # and no policy is


def test_genes_without_order_are_spread(cells: JointSpace) -> None:
    design = create_first_design(cells, 24, seed=1)
    assert len(np.unique(design.genes, axis=0)) == 24
    assert [len(set(genes)) for genes in design.genes[:4]] == [1, 1, 1, 1]  # the same operator on all edges
    for column in design.genes.T:
        assert np.bincount(column, minlength=4).min() >= 3


def test_a_design_is_that_of_its_seed_and_of_its_part(space: JointSpace) -> None:
    subspace = Subspace.whole(space).restrict(0, [1])
    first, again, other = (create_first_design(space, 40, seed, subspace).genes for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (first[:, 0] == 1).all()


def test_a_tiny_space_gives_all_that_it_has() -> None:
    table = pd.DataFrame({"width": [1, 2, 4]})
    assert len(create_first_design(JointSpace(TabularSpace("widths", table, ["width"])), 30, seed=0)) == 3


RULES = (
    PolicyRule(PolicySpace.parse(["w8a8"]).policies, position="first"),
    PolicyRule(PolicySpace.parse(["w8a8", "w6a8"]).policies, operator="depthwise"),
)


@pytest.mark.parametrize("opened", [{}, {"policy": ["w8a8", "w4a8"], "kernel": "all"}])
def test_layers_with_policies_of_their_own_keep_to_them(opened: dict[str, str | list[str]]) -> None:
    known = PolicySpace.parse(["w32a32", "w8a8", "w4a8"]).policies
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace(known, RULES))
    subspace = Subspace.opened(space, opened) if opened else Subspace.whole(space)
    obvious = list_obvious_candidates(space, subspace)
    for population in (obvious, create_first_design(space, 60, 0, subspace)):
        assert all(subspace.contains(population))
    alike = [{str(policy) for policy in candidate.policy.layers} for candidate in obvious.candidates]
    assert {"w8a8"} in alike  # the one policy that all layers may take
    depthwise = set() if opened else {"w6a8"}  # the nearest to w4a8 where that is not allowed
    assert {"w8a8", "w4a8", *depthwise} in alike
