"""What is submitted to a Ray cluster: a job, what is sent along, and how it is carried out there.

What the cluster carries out is `nas run`, which must be installed on it.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass

import yaml

from nas.cluster import check_gpus
from nas.jobs.cluster.shipment import ship
from nas.jobs.files.job import Job


@dataclass(frozen=True)
class RemoteOptions:
    """How a job is carried out on a cluster.

    Attributes:
        runs: Folder of all runs, as the shell of the cluster's head reads it.
        database: URL of the results database; None is `results.db` in the folder of runs.
        workers: Ray actors that train and measure.
        gpus_per_worker: Share of a GPU on which each of them measures.

    Raises:
        ValueError: If the share of a GPU is wrong.
    """

    runs: str
    database: str | None
    workers: int
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        check_gpus(self.gpus_per_worker)


@dataclass(frozen=True)
class Submission:
    """What is submitted.

    Attributes:
        job: The job file's text, its table and data by their names on the cluster.
        name: The job's name.
        remote: How it is carried out there.
        shipped: Local files and folders that are sent along.
    """

    job: str
    name: str
    remote: RemoteOptions
    shipped: tuple[str, ...] = ()

    @property
    def entrypoint(self) -> str:
        """The command that the cluster carries out.

        `exec` leaves no shell in between: a stop that came while the shell was starting its child would miss the child.
        """
        remote = self.remote
        database = f" --database {shlex.quote(remote.database)}" if remote.database else ""
        gpus = f" --gpus-per-worker {remote.gpus_per_worker}" if remote.gpus_per_worker else ""
        options = f'--ray-address auto --workers {remote.workers}{gpus} --runs "{remote.runs}"{database}'
        return f"exec nas run job.yaml {options}"

    def to_json(self) -> str:
        """All that it takes to submit it again, as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Submission:
        """Reads what `to_json` wrote."""
        stored = json.loads(text)
        return cls(stored["job"], stored["name"], RemoteOptions(**stored["remote"]), tuple(stored["shipped"]))


def prepare_submission(job: Job, remote: RemoteOptions, ship_data: bool) -> Submission:
    """Says what of this machine goes along with a job.

    Args:
        job: As it is read here.
        remote: How it is carried out on the cluster.
        ship_data: Whether the data are sent along; else the cluster must have them at the same path.

    Raises:
        ValueError: If what is to be sent is not there.
    """
    shipped_job, shipped = ship(job, ship_data)
    text = yaml.safe_dump(shipped_job.model_dump(mode="json", exclude_unset=True))
    return Submission(text, job.name, remote, shipped)
