"""What of this machine a job needs on a cluster: the files that are sent along, and its paths as they are there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from nas.data.reading import EMBEDDED
from nas.jobs.files.job import Job
from nas.jobs.files.space_section import STORED

_OURS = ("nas", "search_spaces", "predictors", "hardware", "results")  # packages that the cluster has installed


@dataclass(frozen=True)
class Shipment:
    """A job as it is read on a cluster, and what is sent along.

    Attributes:
        job: Text of the job file.
        files: Files and folders of this machine, by their names in the working folder of the job. Every one has a
            folder of its own there, so that equal names do not meet; modules lie where imports find them.
    """

    job: str
    files: dict[str, Path]


def ship(job: Job, ship_data: bool = False, shared_files: bool = False) -> Shipment:
    """Decides what is sent along with a job, and changes the paths in the job to those on the cluster.

    Sent are files that the job names, such as a latency table or weights, and modules of the current folder; other
    modules that these import are not. What is not sent has the same path on the cluster, and a relative path is made
    absolute.

    Args:
        job: The job as it is read here.
        ship_data: Whether the images are sent along.
        shared_files: Whether the cluster sees the files of this machine, so that nothing but modules is sent.

    Raises:
        ValueError: If a file to be sent, or what a relative path names, is not there; or both options are given.
    """
    if ship_data and shared_files:
        raise ValueError("--ship-data sends the images, and --shared-files says that the cluster sees them; take one")
    packing = _Packing(ship_data, shared_files)
    document = _replace(job.model_dump(mode="json", exclude_unset=True), "", packing.replace)
    return Shipment(yaml.safe_dump(document), packing.files)


@dataclass(frozen=True)
class _Packing:
    """What is collected for a job, while its paths become those of the cluster."""

    ship_data: bool
    shared_files: bool
    files: dict[str, Path] = field(default_factory=dict)

    def replace(self, key: str, value: str) -> str:
        """The value of a key on the cluster; `_KEYS` says which values are paths."""
        kinds = (kind for pattern, kind in _KEYS.items() if fnmatchcase(key, pattern))
        kind = next(kinds, None)
        return value if kind is None else kind(self, key, value)

    def images(self, key: str, value: str) -> str:
        """A data set, which may be large."""
        if value == EMBEDDED:
            return value
        return self._send(value) if self.ship_data else _absolute(key, value)

    def file(self, key: str, value: str) -> str:
        """A file that is sent unless the cluster sees it."""
        return _absolute(key, value) if self.shared_files else self._send(value)

    def code(self, key: str, value: str) -> str:
        """A reference to a callable, or to a file: a configuration of transformers, or a stored network."""
        source, _, name = value.partition(":")
        if source in ("transformers", STORED):
            return f"{source}:{self.file(key, name)}"
        if (module := _local_module(source)) is not None:
            self.files[module.name] = module
        return value

    def _send(self, value: str) -> str:
        path = Path(value).absolute()
        if not path.exists():
            raise ValueError(f"{path} is to be sent to the cluster and is not there")
        own = path.name if path.name not in ("", "..") else path.resolve().name
        name = f"sent.{len(self.files) + 1}/{own}"  # with a dot, as no module's name has one
        self.files[name] = path
        return name


# Every key of a job file whose value names something of this machine, and what that is; `*` stands for any names.
_KEYS: dict[str, Callable[[_Packing, str, str], str]] = {
    "data.dataset": _Packing.code,
    "data.source": _Packing.images,
    "data.tokenizer": _Packing.file,
    "device.table": _Packing.file,
    "space.network": _Packing.code,
    "space.weights": _Packing.file,
    "task.loss": _Packing.code,
    "task.metrics.*.function": _Packing.code,
}


def _replace(value: Any, key: str, replace: Callable[[str, str], str]) -> Any:
    """A document in which a function has replaced every text, given its key such as `data.source`."""
    if isinstance(value, dict):
        return {name: _replace(part, f"{key}.{name}".removeprefix("."), replace) for name, part in value.items()}
    if isinstance(value, list):
        return [_replace(part, key, replace) for part in value]
    return replace(key, value) if isinstance(value, str) else value


def _absolute(key: str, value: str) -> str:
    path = Path(value)
    if not path.is_absolute() and not path.exists():
        raise ValueError(f"{key} is {value!r}, which is not there; name the path on the cluster from its root")
    return str(path.absolute())


def _local_module(name: str) -> Path | None:
    """The file or subfolder of the current folder that contains a module; None if the module is not there."""
    top = name.split(".")[0]
    is_theirs = re.fullmatch(r"\w+", top) and top not in ("timm", *_OURS)  # a name, not a path
    paths = [Path.cwd() / f"{top}.py", Path.cwd() / top] if is_theirs else []
    return next((path for path in paths if path.exists()), None)
