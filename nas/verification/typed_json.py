"""JSON as frozen dataclasses and back, checked field by field.

The standard library is enough for it: what checks a file alone runs where the engine and its libraries are not.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from search_spaces.quoting import list_names, quote

T = TypeVar("T")
_WORDS = {str: "a text", int: "an integer", float: "a finite number", bool: "true or false"}
_hints_of = cache(get_type_hints)


def decode(text: str, kind: type[T]) -> T:
    """The value of a dataclass that a text of JSON says.

    Args:
        text: The text.
        kind: The dataclass. Its fields are texts, numbers, truth values, literals, other dataclasses, or tuples of
            equal values, mappings from texts or unions with None of these.

    Raises:
        ValueError: If the text is no JSON, a field is missing, unknown or of another type, or a number is not finite.
    """
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("JSON must not be nested thousands of times") from error
    return _read(kind, document, "")


def encode(value: object) -> dict[str, Any]:
    """A dataclass as values of JSON, which `decode` reads.

    Args:
        value: A value of a dataclass as `decode` takes them.
    """
    assert is_dataclass(value)
    assert not isinstance(value, type)
    return asdict(value)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"numbers must be finite, got {name}")


def _read(kind: Any, value: Any, where: str) -> Any:
    """A value of JSON as one of a type; `where` says where it stands."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):  # of a type and None
        (inner,) = (one for one in arguments if one is not types.NoneType)
        return None if value is None else _read(inner, value, where)
    if origin is Literal:
        if not any(type(one) is type(value) and one == value for one in arguments):
            raise ValueError(f"{where} must be {' or '.join(map(quote, arguments))}, got {quote(value)}")
        return value
    if origin is tuple:
        return tuple(_read(arguments[0], one, f"{where}[{index}]") for index, one in enumerate(_of(list, value, where)))
    if origin is Mapping:
        return {name: _read(arguments[1], one, f"{where}.{name}") for name, one in _of(dict, value, where).items()}
    if is_dataclass(kind):
        return _read_fields(kind, _of(dict, value, where), where)
    wanted = (int, float) if kind is float else (kind,)
    if type(value) not in wanted or (kind is float and not abs(value) <= sys.float_info.max):
        raise ValueError(f"{where} must be {_WORDS[kind]}, got {quote(value)}")
    return kind(value) if kind is float else value


def _read_fields(kind: Any, document: dict[str, Any], where: str) -> Any:
    """A value of a dataclass from an object of JSON, which has all of its fields and no other."""
    hints, names = _hints_of(kind), [field.name for field in fields(kind)]
    place = f"{where}." if where else ""
    if lacking := [f"{place}{name}" for name in names if name not in document]:
        raise ValueError(f"{list_names(lacking)} must be stated")
    if unknown := [f"{place}{name}" for name in document if name not in hints]:
        raise ValueError(f"{list_names(unknown)} must be left out; known: {list_names(names)}")
    return kind(**{name: _read(hints[name], document[name], f"{place}{name}") for name in names})


def _of(kind: type[T], value: object, where: str) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"{where or 'it'} must be {'a list' if kind is list else 'an object'}, got {quote(value)}")
    return value
