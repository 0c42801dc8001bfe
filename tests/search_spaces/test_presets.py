from __future__ import annotations

import pytest

from search_spaces.presets import SPACES, search_space


@pytest.mark.parametrize("name", SPACES)
def test_a_space_bears_the_name_that_it_is_found_by(name: str) -> None:
    assert search_space(name, 3, 10).name == name
