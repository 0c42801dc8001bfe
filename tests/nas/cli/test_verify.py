"""`nas verify` prints what every check found, and its exit code says which kind of fault there is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from small_files import FLOAT, export

from hardware.profiling.stopwatch import Stopwatch
from nas.cli.main import main
from nas.verification import timing


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(timing, "Stopwatch", lambda **_: Stopwatch(rounds=(1, 1), turn_s=0.0, runs=1))

    def run(*arguments: object) -> int | str | None:
        monkeypatch.setattr(sys, "argv", ["nas", "verify", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    return run


def test_it_tells_right_files_from_wrong_ones(
    tmp_path: Path, verify: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(verify)
    path = export(tmp_path, FLOAT)
    assert verify(path, "--json") == 0
    found = json.loads(capsys.readouterr().out)["checks"]
    assert {check["outcome"] for check in found} == {"pass", "not run"}
    assert verify(export(tmp_path, FLOAT, integer_layers=1)) == 1
    shown = capsys.readouterr().out
    assert "integer layers" in shown
    assert "fail" in shown


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("net.onnx", b"damaged", "net.onnx is not the file of its manifest: the file has 7 bytes"),
        ("net.json", b'{"a": 1}', "net.json is damaged (it is no manifest of an exported file); export the network"),
        ("net.json", None, "net.json is not there; put it there"),
        ("net.npz", b"", "net.npz is damaged"),
        ("net.npz", None, "net.npz: there is no such file or folder"),
        ("net.onnx", None, "net.onnx: there is no such file or folder"),
    ],
)
def test_bad_input_is_one_line(
    name: str,
    content: bytes | None,
    said: str,
    tmp_path: Path,
    verify: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert callable(verify)
    path: Path = export(tmp_path, FLOAT)
    changed = path.with_name(name)
    changed.unlink()
    if content is not None:
        changed.write_bytes(content)
    assert verify(path) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
