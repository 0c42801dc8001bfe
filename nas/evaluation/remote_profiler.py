"""Profiling on another machine: a Ray actor on the node that offers a resource.

The node needs this package and Ray, and joins the cluster with its resource named: `ray start --address HOST:PORT
--resources '{"pi5": 1}'`. While it is profiled, all of the resource and of its CPUs are taken, so that nothing else of
Ray runs on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hardware.device import Device
from hardware.profiling.profiler import OperatorCounts, Profiler
from hardware.profiling.stopwatch import Timing
from hardware.profiling.workload import Workload
from nas.cluster import ray_failure, ray_session
from nas.evaluation.profilers import create_profiler

_START_S = 120  # how long to wait for the node to be free: other tasks there may take a while to end


@contextmanager
def remote_profiler(device: Device, address: str, resource: str) -> Iterator[Profiler]:
    """A profiler on the node that offers a resource; the node is reserved while the block runs.

    Args:
        device: The device of the node that is profiled.
        address: Address of the Ray cluster; see `nas.cluster.ray_session`.
        resource: Name of a custom resource of the node.

    Raises:
        ValueError: If no node offers the resource, there is no cluster at the address, or the node cannot profile the
            device.
        OSError: If the node is not free within two minutes, or is lost.
    """
    with ray_session(address, device.threads) as ray:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        whole = next((offered for offered in nodes if resource in offered), None)
        if whole is None:
            names = sorted({name for offered in nodes for name in offered} - {"CPU", "memory", "object_store_memory"})
            raise ValueError(
                f"no node of the Ray cluster offers the resource {resource!r}, but {', '.join(names)}; "
                f"start one with: ray start --address HOST:PORT --resources '{{\"{resource}\": 1}}'"
            )
        taken = {"num_cpus": whole.get("CPU", 0), "resources": {resource: whole[resource]}}
        actor = ray.remote(**taken)(_Actor).remote(device)
        try:
            yield _RemoteProfiler(ray, actor)
        finally:
            ray.kill(actor)


class _Actor:
    def __init__(self, device: Device) -> None:
        self._profiler = create_profiler(device)

    def time(self, workloads: Sequence[Workload]) -> list[Timing]:
        return self._profiler.time(workloads)

    def count_operators(self, workloads: Sequence[Workload]) -> list[OperatorCounts]:
        return self._profiler.count_operators(workloads)

    def fingerprint(self) -> dict[str, str]:
        return self._profiler.fingerprint()


class _RemoteProfiler:
    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray, self._actor = ray, actor
        if not ray.wait([actor.fingerprint.remote()], timeout=_START_S)[0]:
            raise OSError(f"the node that is to be profiled was not free within {_START_S} s; start again later")

    def time(self, workloads: Sequence[Workload]) -> list[Timing]:
        return list(self._answer(self._actor.time.remote(workloads)))

    def count_operators(self, workloads: Sequence[Workload]) -> list[OperatorCounts]:
        return list(self._answer(self._actor.count_operators.remote(workloads)))

    def fingerprint(self) -> dict[str, str]:
        return dict(self._answer(self._actor.fingerprint.remote()))

    def _answer(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from error  # what a profiler on this machine would raise
        except self._ray.exceptions.RayError as error:
            raise ray_failure("the node that is profiled was lost", error) from error
