"""How the stages of a job run: the workers, the runs in the database, and the display of progress."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from hardware.usable_cpus import count_usable_threads, describe_cpus, read_usable_cpus
from nas.cluster import check_address, check_gpus
from nas.evaluation.pool import Pool
from nas.evaluation.pools import open_pool
from nas.export.target import DEFAULT_TARGET, ExportTarget
from nas.jobs.console.reporter import Reporter
from nas.jobs.job_runs import JobRuns
from nas.search.runner.failures import MOST_FAILURES


@dataclass(frozen=True)
class Workers:
    """The workers that measure candidates and, with Ray, train.

    Attributes:
        count: Number of processes that measure; with Ray, number of actors that train and measure.
        ray_address: Address of the Ray cluster, see `nas.cluster.ray_session`; None does not use Ray.
        gpus_per_worker: Share of a GPU on which each Ray actor measures; 0 measures on the CPU.

    Raises:
        ValueError: If `gpus_per_worker` is given without Ray, or `nas.cluster` refuses it or the address.
    """

    count: int = 1
    ray_address: str | None = None
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        check_gpus(self.gpus_per_worker)
        if self.ray_address is not None:
            check_address(self.ray_address)
        if self.gpus_per_worker and self.ray_address is None:
            raise ValueError("--gpus-per-worker needs --ray or --ray-address: it is Ray that shares GPUs out")

    @property
    def processor(self) -> str:
        """The processor that workers measure on; values of a GPU differ slightly, so measurements depend on it."""
        return "cuda" if self.gpus_per_worker else "cpu"

    def open_pool(self, timeout_s: float | None = None) -> Pool:
        """The pool of these workers; workers start when the first candidate arrives.

        Args:
            timeout_s: How long the measurement of a candidate may take; None is for ever.
        """
        return open_pool(self.count, self.ray_address, self.gpus_per_worker, timeout_s)


@dataclass(frozen=True)
class Tolerance:
    """When a candidate has failed, and how many may.

    Attributes:
        most_failures: Share of the evaluations of a run that may fail; see `nas.search.runner.failures.FailureTally`.
        timeout_s: How long the measurement of a candidate may take; None is for ever.
    """

    most_failures: float = MOST_FAILURES
    timeout_s: float | None = None


def check_local_workers(processes: int) -> None:
    """Makes sure that processes of one thread each have a usable CPU each: more would only take memory and wait.

    Args:
        processes: Number of processes on this machine; those of Ray are placed by the CPUs that it manages.

    Raises:
        ValueError: If there are more of them than CPUs.
    """
    cpus = read_usable_cpus()
    most = count_usable_threads(cpus)
    if not processes <= most:
        raise ValueError(
            f"--workers must be at most the CPUs that this process may use by its affinity and cgroup quota, "
            f"{describe_cpus(cpus)}, got {processes}; take --workers {most}, or those of a cluster with --ray-address"
        )


@dataclass(frozen=True)
class Execution:
    """The surroundings in which a stage runs.

    Attributes:
        runs: The runs of the job: names, folders and the database.
        workers: The workers that measure.
        reporter: Shows progress.
        tolerance: When a candidate has failed, and how many may.
        target: What exported files are for.
        opened: A pool of the workers that is open, which stages within another one share; None if there is none.
    """

    runs: JobRuns
    workers: Workers
    reporter: Reporter
    tolerance: Tolerance = field(default_factory=Tolerance)
    target: ExportTarget = DEFAULT_TARGET
    opened: Pool | None = None

    def open_pool(self) -> AbstractContextManager[Pool]:
        """The pool of the workers, with the time limit of measurements; one that was open before stays open."""
        if self.opened is not None:
            return nullcontext(self.opened)
        return self.workers.open_pool(self.tolerance.timeout_s)
