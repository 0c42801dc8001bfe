"""Options from a file become a value of a dataclass, strictly."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from nas.options import create_from_options


@dataclass(frozen=True)
class Sieve:
    mesh: int
    share: float = 0.5

    def __post_init__(self) -> None:
        if not self.mesh > 0:
            raise ValueError(f"mesh must be above 0, got {self.mesh}")


def test_options_become_a_value() -> None:
    assert create_from_options(Sieve, {"mesh": 3}, "a sieve") == Sieve(3)
    assert create_from_options(Sieve, {"mesh": 3, "share": 1}, "a sieve") == Sieve(3, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "option 'mesh' of a sieve: field required, got "),
        ({"mesh": 3.5}, "option 'mesh' of a sieve: input should be a valid integer.*, got 3.5"),
        ({"mesh": 0}, "^a sieve: mesh must be above 0, got 0"),
        ({"mesh": 3, "size": 1}, "a sieve has no option 'size'; its options: mesh, share"),
    ],
)
def test_others_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_from_options(Sieve, options, "a sieve")
