"""Every ready-made space, for the laws that all of them keep: a new one is tested by its line in the registry."""

from __future__ import annotations

import pytest

from search_spaces.families.given import GivenSpace
from search_spaces.presets import SPACES, create_space
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.search_space import SearchSpace

FAMILIES = [*SPACES, "restricted"]


@pytest.fixture(scope="session", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> SearchSpace:
    """A ready-made space, or a part of one, for colour images of ten classes."""
    return _family(request.param)


@pytest.fixture(scope="session", params=[*FAMILIES, "given"])
def space(request: pytest.FixtureRequest, given_space: GivenSpace) -> SearchSpace:
    """One of those, or the space of a given network."""
    return given_space if request.param == "given" else _family(request.param)


def _family(name: str) -> SearchSpace:
    if name == "restricted":
        whole = create_space("mobilenet_v3_cifar", image_channels=3, classes=10)
        return RestrictedSpace(whole, {"depth": [1, 3], "2.depth": [3], "kernel": [3, 7], "resolution": [28]})
    return create_space(name, image_channels=3, classes=10)
