"""The public names of the package."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import nas


@pytest.mark.parametrize("order", [1, -1])
def test_every_public_name_stays_what_it_is(order: int) -> None:
    names = nas.__all__[::order]
    first = [getattr(nas, name) for name in names]
    assert [getattr(nas, name) for name in names] == first
    assert not any(isinstance(value, ModuleType) for value in first)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="JointSpace"):
        _ = nas.Supernova


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, nas, nas.cli.main; print(sorted({'torch', 'pandas', 'onnxruntime', 'ray'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
