"""Every ready-made space, for the laws that all of them keep: a new one is tested by its line in the registry."""

from __future__ import annotations

import pytest

from search_spaces.registry import SPACES, search_space
from search_spaces.space import SearchSpace


@pytest.fixture(scope="session", params=list(SPACES))
def space(request: pytest.FixtureRequest) -> SearchSpace:
    """A ready-made space for colour images of ten classes."""
    return search_space(request.param, image_channels=3, classes=10)
