"""However a command ends, it says so in one line, by the exit code of its kind."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.cli.ending import ending, running_job
from nas.interruption import Terminated

Ended = tuple[int, str]


def end(error: BaseException, capsys: pytest.CaptureFixture[str]) -> Ended:
    """The exit code and the line after an error."""
    with pytest.raises(SystemExit) as ended, ending():
        raise error
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("nas: ")
    assert lines[0].isprintable()
    assert isinstance(ended.value.code, int)
    return ended.value.code, lines[0]


def resumable(error: BaseException) -> BaseException:
    error.add_note("go on with the same command")
    return error


def no_memory() -> BaseException:
    try:
        np.empty(1 << 50)
    except MemoryError as error:
        return error
    raise AssertionError


def in_job(error: BaseException) -> BaseException:
    with pytest.raises(type(error)), running_job():
        raise error
    return error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("a rule,\n  what came"), 2, r"nas: a rule, what came$"),
        (ValueError("[\x1b[31m\x07"), 2, r"nas: \[\\x1b\[31m\\x07$"),
        (ValueError("the rule " + "x" * 100_000 + " what would do"), 2, r"the rule .{1000,1500} what would do$"),
        (
            ValueError("postgresql://ann:wonder@host/db?password=land is no database"),
            2,
            r"postgresql://\*\*\*@host/db\?password=\*\*\* is no",
        ),
        (
            UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "surrogates not allowed"),
            2,
            r"text must be UTF-8, got 'a\\udcff'$",
        ),
        (ValueError("named like postgresql://user@host/db"), 2, r"named like postgresql://user@host/db$"),
        (
            FileNotFoundError(2, "No such file or directory", "a.yaml"),
            2,
            r"nas: a.yaml: there is no such file or",
        ),
        (FileNotFoundError(2, "No such file or directory"), 2, r"nas: No such file or directory; put that right"),
        (IsADirectoryError(21, "Is a directory", "runs"), 2, r"nas: runs: Is a directory; name another path$"),
        (PermissionError(13, "Permission denied", "a.yaml"), 2, r"nas: a.yaml: Permission denied; put that right"),
        (OSError(28, "No space left on device"), 2, r"nas: No space left on device; put that right"),
        (FileNotFoundError("nope.parquet"), 2, r"nas: nope.parquet: there is no such file or folder$"),
        (no_memory(), 2, r"not enough memory \(Unable to allocate .*\)$"),
        (in_job(no_memory()), 2, r"not enough memory \(Unable to allocate .*\); take fewer images"),
        (in_job(RuntimeError("can't allocate memory")), 2, r"not enough memory \(can't .*\); take fewer images"),
        (in_job(ValueError("a rule")), 2, r"nas: a rule$"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), 2, r"not enough memory \(CUDA out of memory"),
        (RecursionError("maximum recursion depth exceeded"), 70, r"internal error: RecursionError: maximum"),
        (OverflowError("too large"), 70, r"internal error: OverflowError: too large; the report is in /"),
        (RuntimeError("mat1 and mat2 " * 1000), 70, r"internal error: RuntimeError: mat1 .* report is in /"),
        (KeyError("depth"), 70, r"internal error: KeyError: 'depth'"),
        (AssertionError(), 70, r"internal error: AssertionError: AssertionError"),
        (KeyboardInterrupt(), 130, r"nas: interrupted$"),
        (resumable(KeyboardInterrupt()), 130, r"nas: interrupted; go on with the same command$"),
        (Terminated(), 143, r"nas: terminated$"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_error_ends_in_one_line(
    error: BaseException,
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found, line = end(error, capsys)
    assert found == code
    assert re.search(words, line), line
    assert len(line) < 2000
    assert len([*tmp_path.iterdir()]) == (code == 70)


def test_a_report_tells_the_way_of_an_error_and_no_secret(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fails(secret: str) -> None:
        raise KeyError(f"https://ann:{secret}@host")

    with pytest.raises(SystemExit), ending():
        fails("wonder" + "land")
    (report,) = tmp_path.iterdir()
    assert f"the report is in {report}" in capsys.readouterr().err
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text()
    assert "in fails\n" in text
    assert "https://***@host" in text
    assert "wonderland" not in text
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert "no report could be written (No such file" in end(KeyError("x"), capsys)[1]


def test_a_traceback_is_shown_on_demand(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_DEBUG", "1")
    with pytest.raises(SystemExit) as ended, ending():
        raise ValueError("a rule")
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "nas: a rule"


def test_output_that_nobody_reads_ends_the_program_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        with pytest.raises(SystemExit) as ended, ending():
            print("a line", flush=True)
    assert ended.value.code == 141
    monkeypatch.undo()
    assert not capsys.readouterr().err
    assert end(BrokenPipeError(32, "Broken pipe"), capsys) == (
        2,
        "nas: Broken pipe; put that right and start the same command again",
    )  # of another pipe


def test_what_a_console_cannot_show_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    with pytest.raises(SystemExit) as ended, ending():
        print("1 ± 2")
    assert ended.value.code == 0
    assert shown.getvalue() == b"1 \\xb1 2\n"


def test_an_error_of_a_plug_in_names_it(install_package: Any, capsys: pytest.CaptureFixture[str]) -> None:
    install_package("def brush():\n    return [][0]\n", "nas.predictors", brush="brush")
    import paint  # type: ignore[import-not-found]  # the package of the fixture

    with pytest.raises(SystemExit) as ended, ending():
        paint.brush()
    assert ended.value.code == 2
    assert re.search(r"nas: paint raised IndexError at .*paint\.py:2: list index out", capsys.readouterr().err)


@pytest.mark.parametrize("given", ["postgresql://ann:wonderland@host/db", "postgresql:/ann:wonderland@host/db"])
def test_a_url_in_the_place_of_a_file_shows_no_password(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, line = end(FileNotFoundError(2, "No such file or directory", given), capsys)
    assert "***@host/db: there is no such file" in line
    assert "wonderland" not in line


def test_a_panic_of_a_library_is_an_internal_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    panic = type("PanicException", (BaseException,), {})  # as pyo3 raises it
    code, line = end(panic("no entry found for key"), capsys)
    assert code == 70
    assert "internal error: PanicException: no entry found for key" in line
