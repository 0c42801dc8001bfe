"""How the stages of a job are carried out: who measures, where outcomes are kept, and where progress is shown."""

from __future__ import annotations

from dataclasses import dataclass

from nas.cluster import check_gpus
from nas.evaluation.pool import Pool
from nas.evaluation.pools import open_pool
from nas.jobs.console.reporter import Reporter
from nas.jobs.job_runs import JobRuns


@dataclass(frozen=True)
class Workers:
    """Who measures candidates, and who trains where Ray is used.

    Attributes:
        count: Processes that measure; with Ray, actors that train and measure.
        ray_address: None for no Ray; see `nas.cluster.ray_session`.
        gpus_per_worker: Share of a GPU on which each Ray actor measures; 0 for the CPU.

    Raises:
        ValueError: If workers without Ray are to share GPUs, or the share is none.
    """

    count: int = 1
    ray_address: str | None = None
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        check_gpus(self.gpus_per_worker)
        if self.gpus_per_worker and self.ray_address is None:
            raise ValueError("--gpus-per-worker needs --ray or --ray-address: it is Ray that shares GPUs out")

    @property
    def processor(self) -> str:
        """Where workers measure. On a GPU some figures differ a little, so it is part of what a measurement is of."""
        return "cuda" if self.gpus_per_worker else "cpu"

    def open_pool(self) -> Pool:
        """The workers, which start when the first candidate arrives."""
        return open_pool(self.count, self.ray_address, self.gpus_per_worker)


@dataclass(frozen=True)
class Execution:
    """What a stage needs besides what it works on.

    Attributes:
        runs: Where outcomes are kept, and under which names.
        workers: Who measures.
        reporter: Where progress is shown.
    """

    runs: JobRuns
    workers: Workers
    reporter: Reporter
