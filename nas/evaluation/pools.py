"""The choice of a pool: this process, local processes, or Ray actors."""

from __future__ import annotations

from nas.evaluation.local_pools import InProcess, ProcessPool
from nas.evaluation.pool import Pool
from nas.evaluation.ray_pool import RayPool


def open_pool(workers: int, ray_address: str | None, gpus_per_worker: float = 0.0) -> Pool:
    """A pool of workers.

    Args:
        workers: Number of workers; a single one without Ray is a thread of this process.
        ray_address: None for no Ray, `"local"` to start a cluster, else the cluster to join (`"auto"`, `host:port`).
        gpus_per_worker: Share of a GPU that each Ray actor takes.
    """
    if ray_address is not None:
        return RayPool(workers, ray_address, gpus_per_worker)
    return ProcessPool(workers) if workers > 1 else InProcess()
