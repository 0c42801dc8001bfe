"""A dashboard without a cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_dashboard import FakeDashboard, fake_dashboard


@pytest.fixture
def dashboard() -> Iterator[FakeDashboard]:
    """A dashboard for one test."""
    pytest.importorskip("ray")
    with fake_dashboard() as fake:
        yield fake
