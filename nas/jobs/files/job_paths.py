"""Which values of a job name something of this machine, and a job with other names for these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

from nas.jobs.files.job import Job
from nas.jobs.files.space_section import STORED

PathKind = Literal["data", "file", "code"]  # a data set, another file, and a reference `package.module:function`
_NETWORK = "space.network"
# Every key of a job file whose value names something of this machine; `*` stands for any names.
_KEYS: dict[str, PathKind] = {
    "data.dataset": "code",
    "data.source": "data",
    "data.tokenizer": "file",
    "device.table": "file",
    _NETWORK: "code",
    "space.weights": "file",
    "task.loss": "code",
    "task.metrics.*.function": "code",
}
_FILES = ("transformers", STORED)  # before the path of a file, where that key else has a reference to code


def replace_paths(job: Job, replacements: Mapping[PathKind, Callable[[str, str], str]]) -> dict[str, Any]:
    """The job as JSON values, without what it leaves to defaults, and with other names for what lies on this machine.

    Args:
        job: The job.
        replacements: For each kind a function of the key, such as `data.source`, and the value; it gives the value to
            be. Of `stored:path` and `transformers:path` the path is a file.
    """

    def replace(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: replace(part, f"{key}.{name}".removeprefix(".")) for name, part in value.items()}
        if isinstance(value, list):
            return [replace(part, key) for part in value]
        kind = _find_kind(key)
        if kind is None or not isinstance(value, str):
            return value
        if _names_file(key, value):
            source, _, name = value.partition(":")
            return f"{source}:{replacements['file'](key, name)}"
        return replacements[kind](key, value)

    found: dict[str, Any] = replace(job.model_dump(mode="json", exclude_unset=True), "")
    return found


def list_code(document: Mapping[str, Any], key: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a job that names code which is imported and run, with its key.

    Args:
        document: The job as JSON values, or a part of it.
        key: The key of that part.
    """
    for name, value in document.items():
        at = f"{key}.{name}".removeprefix(".")
        if isinstance(value, Mapping):
            yield from list_code(value, at)
        elif isinstance(value, str) and _find_kind(at) == "code" and not _names_file(at, value):
            yield at, value


def _names_file(key: str, value: str) -> bool:
    """Whether a value is a path behind a prefix: to any other key the prefix is a module, which would be imported."""
    return key == _NETWORK and value.partition(":")[0] in _FILES


def _find_kind(key: str) -> PathKind | None:
    return next((kind for pattern, kind in _KEYS.items() if fnmatchcase(key, pattern)), None)
