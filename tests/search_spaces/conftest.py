"""Every ready-made space, for the laws that all of them keep: a new one is tested by its line in the registry."""

from __future__ import annotations

import pytest

from search_spaces.narrowed import NarrowedSpace
from search_spaces.presets import SPACES, search_space
from search_spaces.space import SearchSpace


@pytest.fixture(scope="session", params=[*SPACES, "narrowed"])
def space(request: pytest.FixtureRequest) -> SearchSpace:
    """A ready-made space, or a part of one, for colour images of ten classes."""
    if request.param == "narrowed":
        whole = search_space("mobilenet_v3_cifar", image_channels=3, classes=10)
        return NarrowedSpace(whole, {"depth": [1, 3], "2.depth": [3], "kernel": [3, 7], "resolution": [28]})
    return search_space(request.param, image_channels=3, classes=10)
