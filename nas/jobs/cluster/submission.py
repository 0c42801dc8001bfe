"""A job as it is submitted to a Ray cluster: the job file, the files that are sent along, and the options of a command.

The cluster runs the command `nas run` or `nas compress`, so this program must be installed on it. Ray shows the command
and the metadata of a job to whoever sees its dashboard, and writes them to logs; what may be secret travels in the
package.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from nas.cluster import check_gpus
from nas.jobs.cluster.package import write_package
from nas.jobs.cluster.shipment import ship
from nas.jobs.files.compressed_job import check_compression
from nas.jobs.files.job import Job
from results.database.url import parse_url, show_url

_VERSION = 2  # of the metadata of a job
_JOB = "job.yaml"  # names in the package; a dot, as no module's name has one
_DATABASE = "sent.database/url"


@dataclass(frozen=True)
class Compression:
    """The options that only `nas compress` has.

    Attributes:
        preset: Its `--preset`; None leaves it out.
        candidate: Its `--candidate`, first digits of a key; None leaves it out.
    """

    preset: str | None = None
    candidate: str | None = None

    @property
    def words(self) -> list[str]:
        """The options as a command line has them."""
        stated = {"--preset": self.preset, "--candidate": self.candidate}
        return [word for name, value in stated.items() if value is not None for word in (name, value)]


@dataclass(frozen=True)
class RemoteOptions:
    """The options of `nas run` or `nas compress` on a cluster.

    Attributes:
        runs: Folder of all runs. The program on the head node expands variables in it, such as `$HOME`; no shell does.
        database: URL of the results database; None is what NAS_DATABASE says there, else `results.db` in the folder of
            all runs.
        workers: Number of Ray actors that train and measure.
        gpus_per_worker: Share of a GPU on which each actor measures; 0 measures on the CPU.
        shared_files: Whether the cluster sees the files of this machine at the same paths.
        compression: What `nas compress` is asked for; None runs `nas run`.

    Raises:
        ValueError: If `nas.cluster.check_gpus` refuses the share of a GPU.
    """

    runs: str
    database: str | None = field(repr=False)
    workers: int
    gpus_per_worker: float = 0.0
    shared_files: bool = False
    compression: Compression | None = None

    def __post_init__(self) -> None:
        check_gpus(self.gpus_per_worker)


@dataclass(frozen=True)
class Submission:
    """A job that can be submitted.

    Attributes:
        name: Name of the job.
        entrypoint: The command that the cluster runs, in the unpacked package.
        texts: Texts of the package by their names, among them the job file.
        files: Files and folders of this machine, by their names in the package.
    """

    name: str
    entrypoint: str
    texts: dict[str, str] = field(repr=False)
    files: dict[str, Path]

    @property
    def job(self) -> str:
        """Text of the job file, in which files that are sent along have their names on the cluster."""
        return self.texts[_JOB]

    @property
    def metadata(self) -> str:
        """What of the submission may be shown, and lets it be submitted again where nothing else was sent."""
        job = self.job if set(self.texts) == {_JOB} and not self.files else None
        return json.dumps({"version": _VERSION, "name": self.name, "job": job})

    def write(self, target: Path) -> None:
        """Writes the package; see `nas.jobs.cluster.package.write_package`."""
        write_package(target, self.texts, self.files)


def prepare_submission(job: Job, remote: RemoteOptions, ship_data: bool) -> Submission:
    """Prepares a job for a cluster, with the files that are sent along.

    Args:
        job: The job as it is read here.
        remote: The options of the command on the cluster.
        ship_data: Whether the images are sent along; else the cluster must have them at the same path.

    Raises:
        ValueError: If a file to be sent, or what a relative path names, is not there, the database is named wrongly, or
            the job is one that `nas compress` cannot run with these options, see `check_compression`.
    """
    if remote.compression is not None:
        # which fails here, not on the cluster
        check_compression(job, remote.compression.preset, remote.compression.candidate)
    shipment = ship(job, ship_data, remote.shared_files)
    texts = {_JOB: shipment.job}
    if remote.database:
        texts[_DATABASE] = _database(remote.database)
    return Submission(job.name, _entrypoint(remote), texts, shipment.files)


def read_metadata(text: str, entrypoint: str) -> Submission:
    """The part of a submission that the metadata of its job tell: of the package, at most the job file.

    Args:
        text: What `Submission.metadata` gave.
        entrypoint: The command of the job.

    Raises:
        ValueError: If it was written by another version of this program.
    """
    try:
        stored = json.loads(text)
        if stored["version"] != _VERSION:
            raise ValueError(stored["version"])
        name, job = str(stored["name"]), stored["job"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            "the job was submitted by another version of nas; submit its file again with: nas submit JOB"
        ) from error
    return Submission(name, entrypoint, {} if job is None else {_JOB: str(job)}, {})


def _entrypoint(remote: RemoteOptions) -> str:
    """The command; `exec` replaces the shell by the program, as a stop while the shell starts it would miss it."""
    asked = remote.compression
    words = ["nas", "run", _JOB] if asked is None else ["nas", "compress", _JOB, *asked.words]
    words += ["--ray-address", "auto", "--workers", str(remote.workers)]
    words += ["--gpus-per-worker", str(remote.gpus_per_worker)] if remote.gpus_per_worker else []
    runs = remote.runs if remote.runs.startswith(("$", "~")) else str(Path(remote.runs).absolute())
    words += ["--expand", "--runs", runs]
    words += ["--database", f"@{_DATABASE}"] if remote.database else []
    return f"exec {shlex.join(words)}"


def _database(text: str) -> str:
    """The URL of a database, in which the path of a file is absolute: the job runs in a folder that Ray deletes."""
    url = parse_url(text)
    path = url.database or ""
    if url.get_backend_name() != "sqlite" or Path(path).is_absolute():
        return text
    if path.startswith(("$", "~")) or path in ("", ":memory:"):
        raise ValueError(f"an SQLite database on a cluster is a file, named from its root; got {show_url(url)}")
    return url.set(database=str(Path(path).absolute())).render_as_string(hide_password=False)
