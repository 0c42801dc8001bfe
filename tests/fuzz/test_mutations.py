"""A seed gives the same mutation everywhere; and a reader that does not answer in one line is found out."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from mutations import find_refusal, mutate_bytes, mutate_cells, mutate_json

DOCUMENT = {"device": {"name": "npu", "threads": 1}, "costs": [0.5, 1.0], "date": ""}


@pytest.mark.parametrize(
    ("mutate", "given"),
    [(mutate_bytes, b"PAR1" * 9), (mutate_json, DOCUMENT), (mutate_cells, [["a", "b"], ["1", "2"]])],
)
def test_a_seed_decides_what_is_changed(mutate: Callable[[Any, Random], Any], given: Any) -> None:
    before = repr(given)
    changed = [repr(mutate(given, Random(seed))) for seed in range(50)]
    assert changed == [repr(mutate(given, Random(seed))) for seed in range(50)]
    assert len(set(changed)) > 15
    assert repr(given) == before


def test_a_refusal_is_one_line() -> None:
    def refuse(error: Exception) -> Callable[[], object]:
        def read() -> object:
            raise error

        return read

    assert find_refusal(lambda: 1) is None
    assert find_refusal(refuse(ValueError("column a, row 2"))) == "column a, row 2"
    assert find_refusal(refuse(FileNotFoundError(2, "No such file", "a.csv"))) == "a.csv No such file"
    for wrong in (TypeError("x"), MemoryError(), ValueError(""), ValueError("a\nb"), ValueError("x" * 5000)):
        with pytest.raises(AssertionError):
            find_refusal(refuse(wrong))
