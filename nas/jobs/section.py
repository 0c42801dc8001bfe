"""What all sections of a file keep to: no unknown keys, no conversions, no changes. What breaks that, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel, ConfigDict, ValidationError


class Section(BaseModel):
    """A part of a job file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def one_line(error: ValidationError, root: type[Section]) -> str:
    """What is wrong with a file, where, and what would do.

    Args:
        error: Of its validation.
        root: What the whole file was validated as.
    """
    problems = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _section_at(root, problem["loc"][:-1]).model_fields
            problems.append(f"unknown key {place!r}; known keys: {', '.join(known)}")
        elif problem["type"] == "missing":
            problems.append(f"{place} is missing")
        elif problem["type"] == "model_type":
            problems.append(f"{place}: must hold keys and their values, got {problem['input']!r}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            given = "" if "got" in message or problem["type"] == "value_error" else f", got {problem['input']!r}"
            problems.append(f"{place}: {message[0].lower()}{message[1:]}{given}")
    return "; ".join(problems)


def _section_at(root: type[Section], place: tuple[int | str, ...]) -> type[Section]:
    section = root
    for part in place:
        if isinstance(part, str):  # else the place in a list
            section = next(_sections(section.model_fields[part].annotation))
    return section


def _sections(annotation: object) -> Iterator[type[Section]]:
    """Those in an annotation, which may be optional or a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)
