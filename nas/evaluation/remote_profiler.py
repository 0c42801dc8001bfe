"""Profiling on another machine: a Ray task on the node that offers a resource.

In: a device, a Ray cluster and the name of a resource. Out: a `Profiler` that runs networks there. Knows no table.

The node needs this package and Ray, and joins the cluster with its resource named: `ray start --address HOST:PORT
--resources '{"pi5": 1}'`. It is taken whole, so that nothing else that asks for the resource runs beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hardware.device import Device
from hardware.profiler import Network, OnnxRuntimeProfiler, Operators, Profiler
from hardware.stopwatch import Timing
from nas.cluster import joined, lost

_START_S = 120


@contextmanager
def remote_profiler(device: Device, address: str, resource: str) -> Iterator[Profiler]:
    """A profiler on the node that offers a resource, held while the block runs.

    Args:
        device: What networks run on there.
        address: Of the Ray cluster; see `nas.cluster.joined`.
        resource: A custom resource of the node.

    Raises:
        ValueError: If no node offers the resource, or there is no such cluster.
        OSError: If the node is busy or is lost.
    """
    with joined(address, device.threads) as ray:
        offered = [name for name in ray.cluster_resources() if name not in ("CPU", "memory", "object_store_memory")]
        if resource not in offered:
            raise ValueError(
                f"no node of the Ray cluster offers the resource {resource!r}, but {', '.join(sorted(offered))}; "
                f"start one with: ray start --address HOST:PORT --resources '{{\"{resource}\": 1}}'"
            )
        remote = ray.remote(num_cpus=device.threads, resources={resource: 1})(OnnxRuntimeProfiler)
        actor = remote.remote(device)
        try:
            yield _RemoteProfiler(ray, actor)
        finally:
            ray.kill(actor)


class _RemoteProfiler:
    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray, self._actor = ray, actor
        if not ray.wait([actor.fingerprint.remote()], timeout=_START_S)[0]:
            raise OSError(f"the node that is to be profiled was not free within {_START_S} s; start again later")

    def interleaved(self, networks: Sequence[Network]) -> list[Timing]:
        return list(self._answer(self._actor.interleaved.remote(networks)))

    def operators(self, networks: Sequence[Network]) -> list[Operators]:
        return list(self._answer(self._actor.operators.remote(networks)))

    def fingerprint(self) -> dict[str, str]:
        return dict(self._answer(self._actor.fingerprint.remote()))

    def _answer(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from error  # what a profiler on this machine would raise
        except self._ray.exceptions.RayError as error:
            raise lost("the node that is profiled was lost", error) from error
