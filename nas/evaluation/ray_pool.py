"""Workers that are Ray actors."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from nas.cluster import describe_ray_error, import_ray, ray_session
from nas.evaluation.measuring import make_here, measure_here
from nas.evaluation.pool import MakeMeasure
from nas.evaluation.worker import PoolState, Worker, WorkerDied, WorkerHost
from nas.objectives import Measured
from search_spaces.candidate import Candidate
from search_spaces.quoting import cut

# How long to wait for an actor to start: if no other works yet, and if others do, without which work would go on.
_FIRST_ACTOR_S, _MORE_ACTORS_S = 120, 20
_MOST_SAID = 200  # characters of Ray's account of a death, which lists all that it may have been


class RayActors(WorkerHost):
    """Workers that are Ray actors, which must see the same file system.

    Args:
        workers: Number of actors, each with one CPU, that a cluster which is started has room for.
        address: `"local"` to start a cluster, else the address of the one to join.
        gpus: Share of a GPU that each actor takes.
    """

    def __init__(self, workers: int, address: str, gpus: float = 0.0) -> None:
        self._ray, self._workers, self._address, self._gpus = import_ray(), workers, address, gpus
        self._cluster = ExitStack()

    def open(self) -> None:
        """Starts or joins the cluster.

        Raises:
            ValueError: If no cluster answers, or actors are to take GPUs and it has none.
        """
        self._cluster.enter_context(ray_session(self._address, self._workers))
        if self._gpus and "GPU" not in self._ray.cluster_resources():
            raise ValueError("the Ray cluster has no GPU; leave out --gpus-per-worker")

    def close(self) -> None:
        """Leaves the cluster, or ends one that was started."""
        self._cluster.close()

    def start_worker(self, state: PoolState) -> Worker:
        """Starts an actor, and waits until it runs."""
        actor = self._ray.remote(num_cpus=1, num_gpus=self._gpus)(_Actor).remote()
        started, waited_s = actor.find_node.remote(), 0
        try:
            while not self._ray.wait([started], timeout=1)[0]:
                waited_s += 1
                patience_s = _MORE_ACTORS_S if state.working else _FIRST_ACTOR_S
                if state.closing.is_set() or not waited_s < patience_s:
                    self._ray.kill(actor)
                    needs = "CPU" if self._gpus == 0 else f"CPU and {self._gpus:g} GPU"
                    raise OSError(
                        f"the Ray cluster had no {needs} free for a worker within {waited_s} s; start again later"
                    )
            return _RayWorker(self._ray, actor, str(self._ray.get(started)))
        except self._ray.exceptions.RayError as error:  # of the actor or of the whole cluster
            raise WorkerDied(_describe(error), lost=True) from error


class _RayWorker(Worker):
    def __init__(self, ray: Any, actor: Any, node: str) -> None:
        self._ray, self._actor, self._node = ray, actor, node
        self._prepared: MakeMeasure | None = None

    def prepare(self, make: MakeMeasure) -> None:
        if make != self._prepared:
            self._prepared = None
            self._get(self._actor.prepare.remote(make), None)
            self._prepared = make

    def measure(self, candidate: Candidate, fidelity: float, timeout_s: float | None) -> Measured:
        measured: Measured = self._get(self._actor.measure.remote(candidate, fidelity), timeout_s)
        return measured

    def interrupt(self) -> None:
        self._ray.kill(self._actor)

    def close(self) -> None:
        self._ray.kill(self._actor)

    def _get(self, reference: Any, timeout_s: float | None) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference, timeout=timeout_s)
        except errors.RayTaskError as error:
            raise error.cause from error  # what a local worker would raise
        except errors.GetTimeoutError as error:
            raise TimeoutError from error
        except errors.RayError as error:
            lost = isinstance(error, errors.ActorUnavailableError) or not self._is_node_alive()
            raise WorkerDied(_describe(error), lost) from error

    def _is_node_alive(self) -> bool:
        """Whether the machine of the actor is still in the cluster: then an actor that died has died by itself."""
        try:
            return any(node["NodeID"] == self._node and node["Alive"] for node in self._ray.nodes())
        except Exception:  # of the whole cluster, which is lost
            return False


def _describe(error: Exception) -> str:
    return f"died ({cut(describe_ray_error(error), _MOST_SAID)})"


class _Actor:
    """Measures what it made last."""

    def find_node(self) -> str:
        """The id of its machine; returns as soon as the actor runs."""
        return str(import_ray().get_runtime_context().get_node_id())

    def prepare(self, make: MakeMeasure) -> None:
        self._make = make
        make_here(make)

    def measure(self, candidate: Candidate, fidelity: float) -> Measured:
        return measure_here(self._make, candidate, fidelity)
