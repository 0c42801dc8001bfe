"""Who measures is said once, and what cannot be is refused at once."""

from __future__ import annotations

import pytest

from nas.evaluation.local_pools import InProcess
from nas.evaluation.worker_pool import WorkerPool
from nas.jobs.execution import Workers, check_local_workers


def test_one_worker_needs_no_process() -> None:
    with Workers().open_pool() as one, Workers(2).open_pool() as two, Workers().open_pool(timeout_s=1.0) as limited:
        assert isinstance(one, InProcess)
        assert isinstance(two, WorkerPool)
        assert isinstance(limited, WorkerPool)  # a thread cannot be ended


def test_only_ray_shares_gpus_out() -> None:
    assert Workers(2, "auto", 0.5).processor == "cuda"
    assert Workers(2, "auto").processor == "cpu"
    with pytest.raises(ValueError, match="--gpus-per-worker needs --ray or --ray-address"):
        Workers(2, gpus_per_worker=0.5)
    with pytest.raises(ValueError, match="GPU"):
        Workers(2, "auto", gpus_per_worker=-1.0)


@pytest.mark.parametrize(("usable", "most"), [(2.5, 2), (1.0, 1), (0.5, 1), (64.0, 64)])
def test_more_processes_than_usable_cpus_are_refused(usable: float, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.jobs.execution.read_usable_cpus", lambda: usable)
    check_local_workers(most)
    with pytest.raises(ValueError, match=rf"quota, {usable:g}, got {most + 1}; take --workers {most}, or"):
        check_local_workers(most + 1)
