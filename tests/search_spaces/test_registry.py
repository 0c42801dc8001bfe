from __future__ import annotations

import pytest

from search_spaces.registry import search_space


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"unknown space 'abacus'; known spaces: mobilenet_v3_imagenet, .*resnet20_cifar"
    ):
        search_space("abacus", 3, 10)
