"""The public names of the package: what they are, what a type checker knows of them, what importing them costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import nas

HOUSE = Path(nas.__file__).parents[1]
# Libraries are left out, for only what this project says of itself counts; with them it takes a minute.
MYPY = """
[mypy]
follow_imports = silent
ignore_missing_imports = True
[mypy-torch.*,numpy.*,pandas.*,pydantic.*,sqlalchemy.*,onnx.*,optuna.*,pyarrow.*]
follow_imports = skip
"""


@pytest.mark.parametrize("order", [1, -1])
def test_every_public_name_stays_what_it_is(order: int) -> None:
    names = nas.__all__[::order]
    first = [getattr(nas, name) for name in names]
    assert [getattr(nas, name) for name in names] == first
    assert not any(isinstance(value, ModuleType) for value in first)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="JointSpace"):
        _ = nas.Supernova


def test_a_type_checker_knows_every_public_name_and_no_other(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "mypy.ini").write_text(MYPY)
    code = ["import nas", *(f"reveal_type(nas.{name})" for name in nas.__all__), "nas.Supernova"]
    (tmp_path / "user.py").write_text("\n".join(code))
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "user.py"]
    shown = subprocess.run(
        command, cwd=tmp_path, env={"MYPYPATH": str(HOUSE)}, capture_output=True, text=True, check=False
    ).stdout
    revealed = re.findall(r'Revealed type is "(.*)"', shown)
    assert len(revealed) == len(nas.__all__)
    assert "Any" not in revealed
    assert re.findall(r"error: (.*)  \[", shown) == ['Module has no attribute "Supernova"']


@pytest.mark.parametrize("package", ["nas", "search_spaces", "predictors", "hardware", "results"])
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (HOUSE / package / "py.typed").is_file()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, nas, nas.cli.main; print(sorted({'torch', 'pandas', 'onnxruntime', 'ray'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
