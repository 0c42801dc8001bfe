"""What a manifest may say."""

from __future__ import annotations

import math

import pytest

from nas.verification.manifest import Latency, StoredFile


def test_a_file_in_another_folder_is_never_named() -> None:
    with pytest.raises(ValueError, match="must be one in the folder of the manifest"):
        StoredFile("../net.npz", 1, "")


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan])
def test_a_latency_is_above_0(wrong: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Latency("a machine", 1, 1, None, wrong)
