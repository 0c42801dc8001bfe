"""Images that the tests of published networks share: to decode them takes longer than most of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.data.sources import load_images
from nas.data.splits import Split


@pytest.fixture(scope="session")
def cifar10(reference_data: Path) -> Split:
    """The 10,000 test images of CIFAR-10."""
    return load_images(str(reference_data / "cifar10"), limit=125).test
