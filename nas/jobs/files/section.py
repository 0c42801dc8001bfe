"""The base of all sections of a file: unknown keys and wrong types are errors, which are reported in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args
from unicodedata import category

from pydantic import ConfigDict, ValidationError

from hardware.document import Document
from nas.jobs.files.yaml_file import read_yaml
from search_spaces.quoting import cut, escape, quote

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Key = tuple[int | str, ...]  # from the root of a file to a value; indices in lists count from 0

_MOST_PROBLEMS = 5  # of one file in one line
_MOST_OF_A_KEY = 100  # characters
_MOST_OF_A_TEXT = 4096  # characters of a value, of which paths are the longest: as many as Linux takes
_MOST_OF_A_NAME = 100  # characters: file systems take 255, and stages, runs and drafts put something before and behind
_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")  # categories of Unicode

_DATABASE = (
    "results.db"  # with -wal, -shm, -journal and -locks, what lies beside the folders of jobs in that of all runs
)


class Section(Document):
    """A part of a job file, in which no text is empty or endless."""

    model_config = ConfigDict(str_min_length=1, str_max_length=_MOST_OF_A_TEXT)


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
    return check_section(read_yaml(path), root, path)


def check_section(document: object, root: type[Root], where: object) -> Root:
    """The section that plain values stand for.

    Args:
        document: Values of YAML or JSON.
        root: The section.
        where: Where they come from, as messages name it.

    Raises:
        ValueError: If a key or value is not allowed; one line that names the key.
    """
    if not isinstance(document, dict):
        raise ValueError(f"{where} must hold keys and their values, got {quote(document)}")
    for key, text in _list_texts(document):
        if has_controls(text):
            named = cut(escape(key), _MOST_OF_A_KEY)
            raise ValueError(
                f"{where}: {named}: text should be one line of characters that can be printed, got {quote(text)}"
            )
    try:
        return root.model_validate(document)
    except ValidationError as error:
        raise ValueError(f"{where}: {_one_line(error, root, document)}") from error


def has_controls(text: str) -> bool:
    """Whether a text has characters that no path or name may hold.

    These are control characters such as NUL, halves of surrogate pairs, which no file can hold, and separators of
    lines. Blanks of any width, and what joins letters of other scripts, have their place in names of files.
    """
    return any(category(one) in _NO_TEXT for one in text)


def _list_texts(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a document, keys among them, and the key at which it stands."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, one in value.items():
            at = f"{key}.{name}" if key else str(name)
            yield from _list_texts(name, at) if isinstance(name, str) else ()
            yield from _list_texts(one, at)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _list_texts(one, f"{key}.{number}")


def _one_line(error: ValidationError, root: type[Section], document: object) -> str:
    problems = _join_unions(error.errors(include_url=False, include_context=False), document)
    said = [_describe(key, found, root) for key, found in problems[:_MOST_PROBLEMS]]
    more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
    return "; ".join([*said, *more])


def _join_unions(found: list[ErrorDetails], document: object) -> list[tuple[Key, list[ErrorDetails]]]:
    """The problems of each key: where several types are allowed, pydantic finds one or more for each of them.

    Of those, the ones count that are of the type that the value comes closest to.
    """
    located = [(*_locate(one, document), one) for one in found]
    deepest = {union: max(len(key) for key, other, _ in located if other == union) for _, union, _ in located}
    by_key: dict[tuple[Key, int], list[ErrorDetails]] = {}
    for number, (key, union, one) in enumerate(located):
        if union is None or len(key) == deepest[union]:
            by_key.setdefault((key, number if union is None else -1), []).append(one)
    return [(key, [one for one in some if not _is_other_type(one)] or some) for (key, _), some in by_key.items()]


def _locate(problem: ErrorDetails, document: object) -> tuple[Key, Key | None]:
    """The key of a problem as it stands in the file, and that of the first union on its way; None if there is none.

    Pydantic puts the name of a member of a union into the path, which is no key of the document.
    """
    key, union, value = list[int | str](), None, document
    for number, part in enumerate(problem["loc"]):
        within: Any = value
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            value = within[part]
        elif problem["type"] != "missing" or number < len(problem["loc"]) - 1:
            union = tuple(key) if union is None else union
            continue  # the value stays
        key.append(part)
    return tuple(key), union


def _is_other_type(problem: ErrorDetails) -> bool:
    return problem["type"] == "literal_error" or problem["type"].endswith("_type")


def _describe(path: Key, found: list[ErrorDetails], root: type[Section]) -> str:
    """The problems of one key in one sentence."""
    problem, key = found[0], cut(".".join(str(part) for part in path), _MOST_OF_A_KEY)
    if problem["type"] == "extra_forbidden":
        known = _section_at(root, path[:-1]).model_fields
        return f"unknown key {key!r}; known keys: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{key} is missing"
    if problem["type"] == "model_type":
        return f"{key}: must hold keys and their values, got {quote(problem['input'])}"
    messages = dict.fromkeys(one["msg"].removeprefix("Value error, ") for one in found)
    first, *others = messages
    message = " or ".join([first, *(one.removeprefix("Input should be ") for one in others)])
    given = "" if "got" in message or problem["type"] == "value_error" else f", got {quote(problem['input'])}"
    where = f"{key}: " if key else ""  # a rule of the whole file has no key
    return f"{where}{message[0].lower()}{message[1:]}{given}"


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
