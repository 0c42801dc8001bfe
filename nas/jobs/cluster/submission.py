"""A job as it is submitted to a Ray cluster: the job file, the files that are sent along, and the options of `nas run`.

The cluster runs the command `nas run`, so this program must be installed on it.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass

import yaml

from nas.cluster import check_gpus
from nas.jobs.cluster.shipment import ship
from nas.jobs.files.job import Job

_VERSION = 1  # of what is kept with a submission, so that it can be submitted again


@dataclass(frozen=True)
class RemoteOptions:
    """The options of `nas run` on a cluster.

    Attributes:
        runs: Folder of all runs. The shell on the head node expands variables in it, such as `$HOME`.
        database: URL of the results database; None is `results.db` in the folder of all runs.
        workers: Number of Ray actors that train and measure.
        gpus_per_worker: Share of a GPU on which each actor measures; 0 measures on the CPU.

    Raises:
        ValueError: If `nas.cluster.check_gpus` refuses the share of a GPU.
    """

    runs: str
    database: str | None
    workers: int
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        check_gpus(self.gpus_per_worker)


@dataclass(frozen=True)
class Submission:
    """A job that can be submitted.

    Attributes:
        job: Text of the job file, in which files that are sent along have their names on the cluster.
        name: Name of the job.
        remote: The options of `nas run`.
        shipped: Paths of the local files and folders that are sent along.
    """

    job: str
    name: str
    remote: RemoteOptions
    shipped: tuple[str, ...] = ()

    @property
    def entrypoint(self) -> str:
        """The command that the cluster runs. `Cluster.submit` writes the job file as `job.yaml` to its working folder.

        `exec` replaces the shell by the program: else a stop while the shell starts the program would miss the program.
        """
        remote = self.remote
        database = f" --database {shlex.quote(remote.database)}" if remote.database else ""
        gpus = f" --gpus-per-worker {remote.gpus_per_worker}" if remote.gpus_per_worker else ""
        options = f'--ray-address auto --workers {remote.workers}{gpus} --runs "{remote.runs}"{database}'
        return f"exec nas run job.yaml {options}"

    def to_json(self) -> str:
        """The submission as text, from which it can be submitted again."""
        return json.dumps({"version": _VERSION, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Submission:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: If it was written by another version of this program.
        """
        stored = json.loads(text)
        if stored.get("version") != _VERSION:
            raise ValueError(
                "the job was submitted by another version of nas; submit its file again with: nas submit JOB"
            )
        return cls(stored["job"], stored["name"], RemoteOptions(**stored["remote"]), tuple(stored["shipped"]))


def prepare_submission(job: Job, remote: RemoteOptions, ship_data: bool) -> Submission:
    """Prepares a job for a cluster, with the files that are sent along.

    Args:
        job: The job as it is read here.
        remote: The options of `nas run` on the cluster.
        ship_data: Whether the images are sent along; else the cluster must have them at the same path.

    Raises:
        ValueError: If a file to be sent is missing, or two have the same name.
    """
    shipped_job, shipped = ship(job, ship_data)
    text = yaml.safe_dump(shipped_job.model_dump(mode="json", exclude_unset=True))
    return Submission(text, job.name, remote, shipped)
