"""The base of all sections of a file: unknown keys and wrong types are errors, which are reported in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from nas.jobs.files.yaml_file import read_yaml
from search_spaces.quoting import cut, quote

_MOST_PROBLEMS = 5  # of one file in one line
_MOST_OF_A_KEY = 100  # characters
_MOST_OF_A_TEXT = 4096  # characters of a value, of which paths are the longest: as many as Linux takes
_MOST_OF_A_NAME = 100  # characters: file systems take 255, and stages, runs and drafts put something before and behind

_DATABASE = (
    "results.db"  # with -wal, -shm, -journal and -locks, what lies beside the folders of jobs in that of all runs
)


class Section(BaseModel):
    """A part of a job file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_max_length=_MOST_OF_A_TEXT)


def check_folder_name(name: str) -> str:
    """The name, which must be one of a folder wherever the file is used.

    Raises:
        ValueError: If it is not.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) or len(name) > _MOST_OF_A_NAME:
        raise ValueError(f"must be at most {_MOST_OF_A_NAME} letters, digits, '_', '-' and '.', got {quote(name)}")
    if name.casefold().startswith(_DATABASE):  # some file systems do not tell cases apart
        raise ValueError(f"must not begin with {_DATABASE}, the results database of all runs, got {name!r}")
    return name


Root = TypeVar("Root", bound=Section)


def read_section(path: Path, root: type[Root]) -> Root:
    """Reads a YAML file whose keys are those of a section.

    Args:
        path: The file.
        root: The section.

    Raises:
        ValueError: If the file is not YAML, or a key or value is not allowed; one line that names the key.
    """
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise ValueError(f"{path} must hold keys and their values, got {quote(document)}")
    try:
        return root.model_validate(document)
    except ValidationError as error:
        raise ValueError(f"{path}: {_one_line(error, root)}") from error


def _one_line(error: ValidationError, root: type[Section]) -> str:
    problems = []
    found = error.errors(include_url=False, include_context=False)
    for problem in found[:_MOST_PROBLEMS]:
        key = cut(".".join(str(part) for part in problem["loc"]), _MOST_OF_A_KEY)
        if problem["type"] == "extra_forbidden":
            known = _section_at(root, problem["loc"][:-1]).model_fields
            problems.append(f"unknown key {key!r}; known keys: {', '.join(known)}")
        elif problem["type"] == "missing":
            problems.append(f"{key} is missing")
        elif problem["type"] == "model_type":
            problems.append(f"{key}: must hold keys and their values, got {quote(problem['input'])}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            given = "" if "got" in message or problem["type"] == "value_error" else f", got {quote(problem['input'])}"
            where = f"{key}: " if key else ""  # a rule of the whole file has no key
            problems.append(f"{where}{message[0].lower()}{message[1:]}{given}")
    more = [f"and {len(found) - _MOST_PROBLEMS} more"] if len(found) > _MOST_PROBLEMS else []
    return "; ".join([*problems, *more])


def _section_at(root: type[Section], path: tuple[int | str, ...]) -> type[Section]:
    section = root
    for part in path:
        if isinstance(part, str):  # else the index in a list
            section = next(_sections(section.model_fields[part].annotation))
    return section


def _sections(annotation: object) -> Iterator[type[Section]]:
    """The section types in an annotation, which may be optional or a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)
