from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hardware.importers.haq import list_mobilenet_v2_layers
from hardware.importers.registry import import_table


def test_a_file_is_read_in_the_format_of_a_name(tmp_path: Path) -> None:
    np.save(tmp_path / "cycles.npy", np.ones((53, 8, 8)))
    table = import_table("haq", tmp_path / "cycles.npy")
    assert len(table.entries) == 7 * 7 * len({layer.unnamed for layer in list_mobilenet_v2_layers()})
    with pytest.raises(ValueError, match="unknown table format 'nvidia'; known table formats: once_for_all, haq, apq"):
        import_table("nvidia", tmp_path / "cycles.npy")
