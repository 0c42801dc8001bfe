"""A finished run to harm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def copied_run(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run that a test may change."""
    return shutil.copytree(finished_run, tmp_path / "runs")
