"""What the attributes of an operator may be: their annotated types, with bounds, are checked when it is made.

Independent of which operators there are.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from math import inf
from sys import float_info
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

MOST = 2**31 - 1  # the largest side of a tensor that every runtime can index


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest number that an attribute may be.

    Attributes:
        least: The least.
        most: The greatest.
    """

    least: float
    most: float = MOST

    def __str__(self) -> str:
        if self.most in (MOST, inf, float_info.max):
            return f"of {self.least:g} or more"
        return f"below {self.most + 1:g}" if self.least == -MOST else f"from {self.least:g} to {self.most:g}"


Size = Annotated[int, Bounds(1)]  # of an axis, a kernel, a stride
Count = Annotated[int, Bounds(0)]  # of elements that are added
Axis = Annotated[int, Bounds(-MOST, -1)]  # counted from the end
NonNegative = Annotated[float, Bounds(0, float_info.max)]  # or 0
Infinite = Annotated[float, Bounds(-inf, inf)]  # or finite, but a number

Check = Callable[[Any], bool]


def check_attributes(operator: Any) -> None:
    """Refuses an operator of which an attribute is not what its annotation says.

    Args:
        operator: A dataclass with a `name`, whose fields are annotated by numbers, texts, None, tuples of these, and
            `Bounds` for numbers; a number without bounds is finite.

    Raises:
        ValueError: If a value has another type, or lies out of bounds.
    """
    for name, accepts, wanted in _checks(operator.__class__):
        value = getattr(operator, name)
        if not accepts(value):
            raise ValueError(f"{name} of operator {operator.name} must be {wanted}, got {str(value)[:80]}")


@cache
def _checks(kind: Any) -> tuple[tuple[str, Check, str], ...]:
    """Of every field its name, its check and what it must be, in words. A space makes 30,000 operators."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple((field.name, _check(hints[field.name]), _describe(hints[field.name])) for field in fields(kind))


def _check(wanted: Any) -> Check:
    """What tells whether a value is of an annotated type."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if wanted in (int, float):
        return _number(wanted, Bounds(-MOST) if wanted is int else Bounds(-float_info.max, float_info.max))
    if origin is Annotated:
        return _number(parts[0], next(part for part in parts[1:] if isinstance(part, Bounds)))
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in parts
    if origin in (Union, types.UnionType):
        checks = tuple(map(_check, parts))
        return lambda value: any(check(value) for check in checks)
    if origin is not tuple:
        return lambda value: isinstance(value, wanted)
    if parts[1:] == (...,):
        each = _check(parts[0])
        return lambda value: type(value) is tuple and all(map(each, value))
    every = tuple(map(_check, parts))
    return lambda value: (
        type(value) is tuple
        and len(value) == len(every)
        and all(check(one) for check, one in zip(every, value, strict=True))
    )


def _number(kind: type, bounds: Bounds) -> Check:
    least, most = bounds.least, bounds.most
    if kind is int:
        return lambda value: type(value) is int and least <= value <= most  # which leaves out truth values
    return lambda value: type(value) in (int, float) and least <= value <= most


def _describe(wanted: Any, bounds: str = "") -> str:
    parts = get_args(wanted)
    if wanted in (int, float):
        return f"{'a whole' if wanted is int else 'a finite'} number{bounds}"
    if get_origin(wanted) is Annotated:
        return _describe(parts[0], "".join(f" {part}" for part in parts[1:]))
    if get_origin(wanted) is Literal:
        return f"one of {', '.join(map(repr, parts))}"
    if get_origin(wanted) in (Union, types.UnionType):
        return " or ".join(map(_describe, parts))
    if get_origin(wanted) is tuple:
        each = f"each {_describe(parts[0])}" if parts[1:] == (...,) else ", ".join(map(_describe, parts))
        return f"a tuple, {each}"
    return {bool: "true or false", str: "text", type(None): "null"}.get(wanted, str(wanted))
