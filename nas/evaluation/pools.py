"""The choice of a pool: this process, local processes, or Ray actors."""

from __future__ import annotations

from nas.evaluation.local_pools import InProcess, LocalProcesses
from nas.evaluation.pool import Pool
from nas.evaluation.ray_pool import RayActors
from nas.evaluation.worker_pool import WorkerPool


def open_pool(
    workers: int, ray_address: str | None, gpus_per_worker: float = 0.0, timeout_s: float | None = None
) -> Pool:
    """A pool of workers.

    Args:
        workers: Number of workers; a single one without Ray and without a time limit is a thread of this process.
        ray_address: None for no Ray, `"local"` to start a cluster, else the cluster to join (`"auto"`, `host:port`).
        gpus_per_worker: Share of a GPU that each Ray actor takes.
        timeout_s: How long the measurement of a candidate may take; None is for ever. Only a process can be ended, so a
            single worker is one of its own then.
    """
    if ray_address is not None:
        return WorkerPool(RayActors(workers, ray_address, gpus_per_worker), workers, timeout_s)
    if workers > 1 or timeout_s is not None:
        return WorkerPool(LocalProcesses(), workers, timeout_s)
    return InProcess()
