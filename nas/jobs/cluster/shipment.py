"""What of this machine a job needs on a cluster: the files that are sent along, and its paths as they are there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from nas.data.reading import EMBEDDED
from nas.jobs.files.job import Job
from nas.jobs.files.job_paths import replace_paths

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
    document = replace_paths(job, {"data": packing.images, "file": packing.file, "code": packing.code})
    return Shipment(yaml.safe_dump(document), packing.files)


@dataclass(frozen=True)
class _Packing:
    """What is collected for a job, while its paths become those of the cluster, of which each function gives one."""

    ship_data: bool
    shared_files: bool
    files: dict[str, Path] = field(default_factory=dict)

    def images(self, key: str, value: str) -> str:
        """A data set, which may be large."""
        if value == EMBEDDED:
            return value
        return self._send(value) if self.ship_data else _absolute(key, value)

    def file(self, key: str, value: str) -> str:
        """A file that is sent unless the cluster sees it."""
        return _absolute(key, value) if self.shared_files else self._send(value)

    def code(self, _key: str, value: str) -> str:
        """A reference to a callable."""
        if (module := _local_module(value.partition(":")[0])) is not None:
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
