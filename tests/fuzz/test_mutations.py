"""A seed gives the same mutation everywhere."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from mutations import mutate_bytes, mutate_cells, mutate_json, mutate_yaml

DOCUMENT = {"device": {"name": "npu", "threads": 1}, "costs": [0.5, 1.0], "date": ""}


@pytest.mark.parametrize(
    ("mutate", "given"),
    [
        (mutate_bytes, b"PAR1" * 9),
        (mutate_json, DOCUMENT),
        (mutate_yaml, "a: 1\nb: 2"),
        (mutate_cells, [["a", "b"], ["1", "2"]]),
    ],
)
def test_a_seed_decides_what_is_changed(mutate: Callable[[Any, Random], Any], given: Any) -> None:
    before = repr(given)
    changed = [repr(mutate(given, Random(seed))) for seed in range(50)]
    assert changed == [repr(mutate(given, Random(seed))) for seed in range(50)]
    assert len(set(changed)) > 15
    assert repr(given) == before
