from __future__ import annotations

import pytest

from search_spaces.presets import SPACES, create_space


@pytest.mark.parametrize("name", SPACES)
def test_a_space_bears_the_name_that_it_is_found_by(name: str) -> None:
    assert create_space(name, 3, 10).name == name
