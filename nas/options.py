"""Values that a user describes by options: the fields of a dataclass, whose types are held to strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_type_hints

from search_spaces.quoting import quote

Described = TypeVar("Described")


def create_from_options(kind: type[Described], options: Mapping[str, object], what: str) -> Described:
    """A value of a dataclass by options from a file; an option must have exactly the type of its field.

    Args:
        kind: The dataclass; its fields are the options, of plain types.
        options: Values of some fields by name; those without a default must be among them.
        what: What is described, for messages, such as `searcher 'linas'`.

    Raises:
        ValueError: If an option is unknown or missing, a value has another type than its option, or the dataclass
            refuses the value. The message is one line.
    """
    from pydantic import BaseModel, ConfigDict, ValidationError, create_model

    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # the type of dataclasses has no name
    for option in options:
        if option not in known:
            raise ValueError(f"{what} has no option {quote(option)}; {_list_options(known)}")
    hints = get_type_hints(kind)
    declared: dict[str, Any] = {
        field.name: (hints[field.name], ... if field.default is MISSING else field.default)
        for field in fields(kind)  # type: ignore[arg-type]
    }
    strict: type[BaseModel] = create_model(kind.__name__, __config__=ConfigDict(strict=True), **declared)
    try:
        values = strict.model_validate(dict(options))
    except ValidationError as error:
        problem = error.errors()[0]
        wanted, got = problem["msg"][0].lower() + problem["msg"][1:], quote(problem["input"])
        raise ValueError(f"option {problem['loc'][0]!r} of {what}: {wanted}, got {got}") from error
    try:
        return kind(**values.model_dump())
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _list_options(known: list[str]) -> str:
    return f"its options: {', '.join(known)}" if known else "it has none"
