"""Who measures is said once, and what cannot be is refused at once."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nas.evaluation.local_pools import InProcess
from nas.evaluation.worker_pool import WorkerPool
from nas.jobs.console.reporter import Reporter
from nas.jobs.execution import Workers, say_of_shared_cpus


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


@pytest.mark.parametrize(("processes", "said"), [(2, ""), (3, "workers  3 processes share 2.5 usable CPUs")])
def test_more_processes_than_usable_cpus_are_said(processes: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.jobs.execution.read_usable_cpus", lambda: 2.5)
    shown = io.StringIO()
    say_of_shared_cpus(processes, Reporter(Console(file=shown)))
    assert shown.getvalue().startswith(said)
    assert bool(shown.getvalue()) == bool(said)
