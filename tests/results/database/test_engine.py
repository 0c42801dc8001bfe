from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from results.database import engine
from results.database.errors import DatabaseError
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord
from search_spaces.candidate import Architecture, Candidate

OPEN = "import sys; from results.database.results_database import ResultsDatabase; ResultsDatabase(sys.argv[1]).close()"


def filled(path: Path) -> bytes:
    """Bytes of a results database with 300 evaluations, made at the path."""
    with ResultsDatabase(f"sqlite:///{path}") as database:
        database.begin(RunRecord("a", {}, 1))
        candidates = [Candidate(Architecture("made-up", number, ())) for number in range(300)]
        database.append(Evaluation(c, {"accuracy": 1.0}, "measured", "a", n, 0) for n, c in enumerate(candidates))
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["overwritten page", "cut short", "no database"])
def test_a_damaged_file_is_refused_and_left_byte_for_byte(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "results.db"
    whole = filled(path)
    spoilt = {
        "overwritten page": whole[:8192] + b"\xff" * 4096 + whole[12288:],
        "cut short": whole[: len(whole) // 2],
        "no database": b"key,accuracy\n" * 1000,
    }[damage]
    path.write_bytes(spoilt)
    with pytest.raises(DatabaseError, match="it was left as it is") as caught:
        ResultsDatabase(f"sqlite:///{path}")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == spoilt


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("runs/results.db", "named like sqlite:///"),
        ("mysql://host/name", "one of sqlite, postgresql; got 'mysql'"),
        ("sqlite:////proc/nowhere/results.db", "cannot use the results database sqlite:////proc"),
        ("sqlite:////", "is a folder"),
        ("postgresql+nodriver://me:secret@host/name", "unknown database driver"),
        ("postgresql://me:secret@127.0.0.1:9/name", "psycopg|cannot use the results database postgresql"),
    ],
)
def test_what_cannot_be_opened_is_one_clear_line(url: str, message: str) -> None:
    with pytest.raises(DatabaseError, match=message) as caught:
        ResultsDatabase(url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no results database at .*; run a job first, or name another"),
        (b"", "holds no results: it is empty; run a job first, or name another"),
        (b"key,accuracy\n" * 1000, "file is not a database; it was left as it is"),
    ],
)
def test_a_reader_makes_no_database(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "typo.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatabaseError, match=message):
        ResultsDatabase(f"sqlite:///{path}", read_only=True)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [content] * (content is not None)
    with pytest.raises(DatabaseError, match="a new database in memory, which holds no results"):
        ResultsDatabase("sqlite://", read_only=True)


def test_a_reader_of_a_server_makes_no_tables_and_writes_nothing(postgresql_url: str) -> None:
    for _ in range(2):
        with pytest.raises(DatabaseError, match="holds no results: it is empty"):
            ResultsDatabase(postgresql_url, read_only=True)
    with ResultsDatabase(postgresql_url) as database:
        database.begin(RunRecord("a", {}, 1))
    with ResultsDatabase(postgresql_url, read_only=True) as database:
        assert database.has_run("a")
        with pytest.raises(DatabaseError, match="read-only transaction"):
            database.begin(RunRecord("b", {}, 1))


def test_a_full_disk_is_one_clear_line_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    filled(path)
    script = """
import resource, sys
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation
from search_spaces.candidate import Architecture, Candidate
with ResultsDatabase(sys.argv[1]) as database:
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))  # no file may grow further
    batch = [(n, Candidate(Architecture("x" * 500, n, ()))) for n in range(300, 2300)]
    database.append(Evaluation(made, {"macs": 1.0}, "measured", "a", n, 0) for n, made in batch)
"""
    command = [sys.executable, "-c", script, f"sqlite:///{path}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert "results.database.errors.DatabaseError: cannot use the results database" in answer.stderr.splitlines()[-1]
    with ResultsDatabase(f"sqlite:///{path}") as database:
        assert len(database.evaluations("a")) == 300


@pytest.mark.parametrize("opened", [True, False])
def test_a_file_that_another_program_holds_is_one_clear_line_and_is_read_meanwhile(
    tmp_path: Path, opened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    url = f"sqlite:///{tmp_path}/results.db"
    filled(tmp_path / "results.db")
    database = ResultsDatabase(url) if opened else None
    with closing(sqlite3.connect(tmp_path / "results.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseError, match="is locked; another process holds it; try again when that is done"):
            (database or ResultsDatabase(url)).begin(RunRecord("b", {}, 1))
        with ResultsDatabase(url, read_only=True) as reader:
            assert len(reader.evaluations("a")) == 300
        other.execute("ROLLBACK")
    with database or ResultsDatabase(url) as database:
        database.begin(RunRecord("b", {}, 1))
        assert (database.has_run("b"), len(database.evaluations("a"))) == (True, 300)


@pytest.mark.parametrize("server", ["sqlite", "postgresql"])
def test_many_processes_may_open_a_new_database_at_once(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    own = f"sqlite:///{tmp_path}/new/results.db"
    url = own if server == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    command = [sys.executable, "-c", OPEN, url]
    processes = [subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[1] for process in processes] == [""] * 4


def environment() -> dict[str, str]:
    """The environment of a child that finds the project's packages."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
