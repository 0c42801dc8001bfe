from __future__ import annotations

import numpy as np

from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.subspace import Subspace


def test_sizes_and_shares_of_policies_are_told() -> None:
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
    ends = space.encode([space.smallest(), space.largest(), Subspace.whole(space).smallest()])
    features = ends.size_features() / np.sqrt(len(space.genes))
    # of resolution, depth, kernel and expansion: mean level, share of the genes that are active; then the policies
    assert np.allclose(features[0], [0, 1, 0, 1, 0, 0.5, 0, 0.5, 1, 0])
    assert np.allclose(features[1], [1, 1, 1, 1, 1, 1, 1, 1, 1, 0])
    assert np.allclose(features[2], [0, 1, 0, 1, 0, 0.5, 0, 0.5, 0, 1])


def test_a_gene_that_does_not_matter_changes_nothing() -> None:
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
    genes = space.encode([space.smallest()]).genes.repeat(2, axis=0)
    inactive = np.flatnonzero(~space.is_active(genes[:1])[0])
    genes[1, inactive] = 1
    assert np.array_equal(*space.population(genes).size_features())
