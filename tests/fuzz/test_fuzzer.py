"""A reader that does not answer in one clear line, soon and in little memory, is found out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import fuzzer
import pytest
from fuzzer import Attempt, Format, find_refusal, fuzz, require


def refuse(error: BaseException) -> Callable[[], object]:
    def read() -> object:
        raise error

    return read


def test_a_refusal_is_one_line() -> None:
    assert find_refusal(lambda: 1) is None
    assert find_refusal(refuse(ValueError("column a, row 2"))) == "column a, row 2"
    assert find_refusal(refuse(FileNotFoundError(2, "No such file", "a.csv"))) == "a.csv No such file"
    for wrong in (TypeError("x"), MemoryError(), ValueError(""), ValueError("a\nb"), ValueError("x" * 5000)):
        with pytest.raises(AssertionError):
            find_refusal(refuse(wrong))


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (lambda: require(False, "it is -1"), "nonsense"),
        (lambda: time.sleep(5), "hang"),
        (lambda: bytearray(5 << 30), "memory"),
        (refuse(RecursionError()), "traceback"),
        (lambda: b"\xff".decode(), "unclear"),
        (refuse(ValueError("it is -1")), "unclear"),  # of which file
    ],
)
def test_faults_are_told_apart(
    read: Callable[[], object], outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzzer, "SECONDS", 0.2)

    def prepare(folder: Path) -> Attempt:
        return lambda rng: read if isinstance(rng, Random) else lambda: None

    whole, tried = fuzz(Format("made-up", prepare), [None, 0], tmp_path)
    assert (whole.outcome, tried.outcome, tried.seed) == ("accepted", outcome, 0)
