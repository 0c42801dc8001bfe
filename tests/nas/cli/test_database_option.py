"""The URL of the database comes by argument, environment or file; with a password and Ray, not by argument."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nas.cli.database_option import check_command_line
from nas.cli.main import app

URL = "postgresql://me:hunter2@127.0.0.1:9/results"


def _listed(*arguments: str, **environment: str) -> str:
    pytest.importorskip("psycopg")
    return str(CliRunner(env=environment).invoke(app, ["results", "list", *arguments]).exception)


def test_a_url_comes_by_argument_environment_or_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.touch(0o600)
    file.write_text(f"{URL}\n")
    for told in (_listed(NAS_DATABASE=URL), _listed(NAS_DATABASE=f"@{file}"), _listed("--database", f"@{file}")):
        assert "cannot use the results database postgresql" in told
        assert "hunter2" not in told
    own = f"sqlite:///{tmp_path}/none.db"
    assert "none.db" in _listed("--database", own, NAS_DATABASE=URL)  # what is said here counts
    assert str(tmp_path) in _listed("--runs", str(tmp_path), NAS_DATABASE="")


def test_a_file_that_others_may_read_or_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(URL)
    file.chmod(0o640)
    assert f"others may read it; do: chmod 600 {file}" in _listed("--database", f"@{file}")
    file.write_text(" \n")
    file.chmod(0o600)
    assert "must hold the URL of a results database, and is empty" in _listed("--database", f"@{file}")
    assert "No such file" in _listed("--database", f"@{file}.none")


def test_ray_is_not_shown_a_password_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, job_file: Path, refusal: Callable[..., str]
) -> None:
    arguments = ["run", str(job_file), "--ray-address", "127.0.0.1:9", "--database", URL]
    monkeypatch.setattr(sys, "orig_argv", ["nas", *arguments])
    line = refusal(*arguments)
    assert "Ray shows the command line" in line
    assert "hunter2" not in line
    check_command_line(None)
    check_command_line("postgresql://another:secret@db/results")  # which came by environment
    monkeypatch.setattr(sys, "orig_argv", ["nas", "--database=postgresql://me@db/results"])
    check_command_line("postgresql://me@db/results")
