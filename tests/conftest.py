"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# One compute thread per process, set before any numerical library starts its pool.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder of public reference data; the test is skipped where it is absent."""
    named = os.environ.get("NAS_TEST_DATA")
    path = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if named and not path.is_dir():
        pytest.fail(f"NAS_TEST_DATA names {named}, which is no folder")
    if not path.is_dir():
        pytest.skip(f"no reference data at {path}; set NAS_TEST_DATA to its folder")
    return path


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """The address of the one Ray cluster of all tests."""
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, resources={"pi5": 1}, include_dashboard=False, log_to_driver=False)
    yield "local"
    ray.shutdown()
