"""JSON becomes a value of a dataclass, or is refused by the name of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pytest

from nas.verification.typed_json import decode, encode


@dataclass(frozen=True)
class Inner:
    number: float
    word: Literal["a", "b"]


@dataclass(frozen=True)
class Outer:
    inner: Mapping[str, Inner]
    counts: tuple[int, ...]
    maybe: str | None


def test_what_is_encoded_is_decoded() -> None:
    value = decode('{"inner": {"x": {"number": 1, "word": "a"}}, "counts": [1, 2], "maybe": null}', Outer)
    assert value == Outer({"x": Inner(1.0, "a")}, (1, 2), None)
    assert encode(value)["inner"] == {"x": {"number": 1.0, "word": "a"}}


@pytest.mark.parametrize(
    ("inner", "rest", "said"),
    [
        ('{"x": {"number": true, "word": "a"}}', '"counts": []', "inner.x.number must be a finite number, got True"),
        ('{"x": {"number": 1e999, "word": "a"}}', '"counts": []', "inner.x.number must be a finite number, got inf"),
        (f'{{"x": {{"number": 1{"0" * 400}, "word": "a"}}}}', '"counts": []', "inner.x.number must be a finite number"),
        ('{"x": {"number": NaN, "word": "a"}}', '"counts": []', "numbers must be finite, got NaN"),
        ('{"x": {"number": 1, "word": "c"}}', '"counts": []', "inner.x.word must be 'a' or 'b', got 'c'"),
        ('{"x": {"number": 1}}', '"counts": []', "inner.x.word must be stated"),
        ("[]", '"counts": []', "inner must be an object"),
        ("{}", '"counts": [1.5]', r"counts\[0\] must be an integer, got 1.5"),
        ("{}", '"counts": [], "more": 1', "more must be left out"),
        ("[" * 100000, "", "nested thousands of times|Expecting value"),
    ],
)
def test_what_is_wrong_is_named(inner: str, rest: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decode(f'{{"inner": {inner}, {rest}, "maybe": null}}', Outer)
