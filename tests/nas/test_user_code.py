"""A user's code is named with file and line when it raises, wherever the error comes from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from nas.user_code import UserCodeError, import_callable, user_code

MODULE = """\
import divisions
import json

def own_error():
    raise KeyError("depth")

def in_a_library():
    return json.loads("{")

def in_another_file():
    return divisions.divide(0)

def ends_the_program():
    raise SystemExit

class Net:
    def __init__(self, width):
        pass

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("code_of_mine", "divisions"):  # of the folder of the test before
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "code_of_mine.py").write_text(MODULE)
    (tmp_path / "divisions.py").write_text("def divide(by):\n    return 1 / by\n")
    (tmp_path / "unreadable.py").write_text("def make(:\n")
    (tmp_path / "incomplete.py").write_text("import math\nimport nothing_of_the_kind\n")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("own_error", "code_of_mine:own_error raised KeyError at code_of_mine.py:5: 'depth'"),
        ("in_a_library", "code_of_mine:in_a_library raised JSONDecodeError at code_of_mine.py:8: Expecting .*"),
        ("in_another_file", "code_of_mine:in_another_file raised ZeroDivisionError at divisions.py:2: division.*"),
        ("ends_the_program", "code_of_mine:ends_the_program raised SystemExit at code_of_mine.py:14"),
        ("Net", "code_of_mine:Net raised TypeError at code_of_mine.py:16: .* required positional argument: 'width'"),
    ],
)
def test_what_raises_is_named_with_file_and_line(name: str, line: str) -> None:
    reference = f"code_of_mine:{name}"
    called = import_callable(reference, "network")
    with pytest.raises(UserCodeError) as raised, user_code("outer:caller"), user_code(reference):
        called()
    assert re.fullmatch(line, str(raised.value)), raised.value


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("reference", "line"),
    [
        ("code_of_mine", r"a loss is written as package\.module:function.*; got 'code_of_mine'"),
        ("../code_of_mine:Net", "written as package"),
        ("nowhere.models:make", r"nowhere\.models:make cannot be imported \(No module named 'nowhere'\)"),
        ("code_of_mine:nothing", r"code_of_mine:nothing cannot be imported .*no attribute 'nothing'"),
        ("code_of_mine:number", "a loss must be a callable, got int from code_of_mine:number"),
        ("unreadable:make", r"unreadable:make raised SyntaxError at unreadable\.py:1"),
        ("incomplete:make", r"incomplete:make raised ModuleNotFoundError at incomplete\.py:2: No module named 'noth"),
    ],
)
def test_what_cannot_be_imported_is_refused(reference: str, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        import_callable(reference, "loss")


def test_an_interrupt_is_no_fault_of_the_code() -> None:
    with pytest.raises(KeyboardInterrupt), user_code("code_of_mine:Net"):
        raise KeyboardInterrupt
