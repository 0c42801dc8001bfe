from __future__ import annotations

import pytest

from nas.search.registry import searcher
from search_spaces.joint_space import JointSpace
from search_spaces.registry import search_space


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown searcher 'oracle'; known searchers: random, nsga2"):
        searcher("oracle", JointSpace(search_space("resnet_digits", 1, 10)), 0)
