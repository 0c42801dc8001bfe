"""Who measures is said once, and what cannot be is refused at once."""

from __future__ import annotations

import pytest

from nas.evaluation.local_pools import InProcess, ProcessPool
from nas.jobs.execution import Workers


def test_one_worker_needs_no_process() -> None:
    with Workers().open_pool() as one, Workers(2).open_pool() as two:
        assert isinstance(one, InProcess)
        assert isinstance(two, ProcessPool)


def test_only_ray_shares_gpus_out() -> None:
    assert Workers(2, "auto", 0.5).processor == "cuda"
    assert Workers(2, "auto").processor == "cpu"
    with pytest.raises(ValueError, match="--gpus-per-worker needs --ray or --ray-address"):
        Workers(2, gpus_per_worker=0.5)
    with pytest.raises(ValueError, match="GPU"):
        Workers(2, "auto", gpus_per_worker=-1.0)
