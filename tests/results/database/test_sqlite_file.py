"""A file is read in whatever state a writer left it, and nothing in its folder changes; copies say what they lack."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from results.database import sqlite_file
from results.database.errors import DatabaseError
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord
from search_spaces.candidate import Architecture, Candidate

COUNT = 30
STATES = {  # the files that are copied while a writer has the database open, as after it was killed
    "whole": (),
    "killed": ("", "-wal", "-shm"),
    "without -shm": ("", "-wal"),
    "without -wal": ("",),
    "with an empty -wal": ("",),
    "as older releases left it": (),
}
LACKING = ("without -wal", "as older releases left it")


@pytest.fixture(autouse=True)
def no_writer_that_opens_or_closes_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "_MOMENT_SECONDS", 0.01)


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/results.db"


def fill(database: ResultsDatabase) -> None:
    candidates = [Candidate(Architecture("made-up", number, ())) for number in range(COUNT)]
    database.begin(RunRecord("a", {}, 1))
    database.append(Evaluation(made, {"accuracy": 1.0}, "measured", "a", n, 0) for n, made in enumerate(candidates))


def prepare(folder: Path, state: str) -> Path:
    """A folder whose database is in that state."""
    made, copy = folder / "made", folder / "copy"
    made.mkdir(parents=True)
    copy.mkdir()
    with ResultsDatabase(url(made)) as database:
        fill(database)
        for kind in STATES[state]:
            shutil.copy(made / f"results.db{kind}", copy)
    if not STATES[state]:
        shutil.copy(made / "results.db", copy)
    if state == "with an empty -wal":
        (copy / "results.db-wal").touch()
    if state == "as older releases left it":
        with closing(sqlite3.connect(copy / "results.db")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    return copy


def look(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@contextmanager
def nobody_may_write(folder: Path) -> Iterator[None]:
    """While the block runs, this process may only read the folder and its files; root becomes another user."""
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            (folder / "new").touch()
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


@pytest.mark.parametrize("state", STATES)
def test_a_reader_finds_all_that_is_there_and_changes_nothing(tmp_path: Path, state: str) -> None:
    folder = prepare(tmp_path, state)
    before = look(folder)
    with ResultsDatabase(url(folder), read_only=True) as database:
        count = 0 if state in ("without -wal", "with an empty -wal") else COUNT
        assert len(database.evaluations("a")) == len(database.frame()) == count
        assert ("-wal beside the original; copy both" in database.lack) == (state in LACKING)
        with pytest.raises(DatabaseError, match="readonly"):
            database.begin(RunRecord("b", {}, 1))
    assert look(folder) == before


@pytest.mark.parametrize("state", STATES)
def test_a_folder_that_nobody_may_write_is_read(state: str) -> None:
    with TemporaryDirectory() as made:  # of pytest's own folders, another user may not read any
        root = Path(made)
        folder = prepare(root, state)
        root.chmod(0o755)
        with ResultsDatabase(url(folder), read_only=True) as database:
            expected = database.evaluations("a")
        with nobody_may_write(folder), ResultsDatabase(url(folder), read_only=True) as database:
            assert database.evaluations("a") == expected


def test_a_closed_database_is_one_file_however_many_wrote_it(tmp_path: Path) -> None:
    first, second = ResultsDatabase(url(tmp_path)), ResultsDatabase(url(tmp_path))
    fill(first)
    first.close()
    second.begin(RunRecord("b", {}, 1))
    assert {"results.db", "results.db-wal"} <= {path.name for path in tmp_path.iterdir()}
    second.close()
    assert [path.name for path in tmp_path.iterdir()] == ["results.db"]
    with ResultsDatabase(url(tmp_path), read_only=True) as database:
        assert (len(database.evaluations("a")), database.has_run("b"), database.lack) == (COUNT, True, "")


def test_readers_see_what_a_writer_adds_meanwhile(tmp_path: Path) -> None:
    with ResultsDatabase(url(tmp_path)) as writer, ResultsDatabase(url(tmp_path), read_only=True) as reader:
        assert reader.runs().empty
        fill(writer)
        assert len(reader.evaluations("a")) == COUNT
        writer.close()
        assert len(reader.evaluations("a")) == COUNT


WRITE = """
import sys
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
for number in range(10):
    with ResultsDatabase(sys.argv[1]) as database:
        database.begin(RunRecord(f"{sys.argv[2]}{number}", {}, 1))
"""


def test_a_file_that_is_opened_and_closed_all_the_time_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ResultsDatabase(url(tmp_path)).close()
    command, environment = (
        [sys.executable, "-c", WRITE, url(tmp_path)],
        {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    writers = [subprocess.Popen([*command, name], env=environment) for name in ("a", "b")]
    found = [0]
    while any(writer.poll() is None for writer in writers):
        with ResultsDatabase(url(tmp_path), read_only=True) as database:
            found.append(len(database.runs()))
            assert database.lack == ""
    assert [writer.returncode for writer in writers] == [0, 0]
    assert found == sorted(found)
    assert [path.name for path in tmp_path.iterdir()] == ["results.db"]


@pytest.mark.parametrize("state", ["whole", "killed"])
def test_the_wal_of_another_file_is_not_mixed_in(tmp_path: Path, state: str) -> None:
    with ResultsDatabase(url(tmp_path / "other")) as database:
        database.begin(RunRecord("b", {}, 1))
        database.append([Evaluation(Candidate(Architecture("b", 0, ())), {"accuracy": 1.0}, "measured", "b", 0, 0)])
        folder = prepare(tmp_path, state)
        shutil.copy(tmp_path / "other" / "results.db-wal", folder)
    before = look(folder)
    with pytest.raises(DatabaseError, match=r"-wal beside it belongs to another file .* move it away|its -wal were of"):
        ResultsDatabase(url(folder))
    with pytest.raises(DatabaseError, match=r"belongs to another file|its run is lost"):
        ResultsDatabase(url(folder), read_only=True).frame()
    assert {name: found for name, found in look(folder).items() if name != "results.db-shm"} == {
        name: found for name, found in before.items() if name != "results.db-shm"
    }


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("name", ["results.db", "results.db-wal", "results.db-shm", "results.db-journal"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path, kind: str, name: str, read_only: bool) -> None:
    with ResultsDatabase(url(tmp_path)) as database:
        fill(database)
    path = tmp_path / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(DatabaseError, match=f"{name} is (a folder|a pipe or a device)"):
        ResultsDatabase(url(tmp_path), read_only)


@pytest.mark.parametrize("read_only", [True, False])
def test_what_was_being_written_is_undone_by_the_next_writer(tmp_path: Path, read_only: bool) -> None:
    made, copy = tmp_path / "made", tmp_path / "copy"
    copy.mkdir()
    with ResultsDatabase(url(made)) as database:
        fill(database)
    with closing(sqlite3.connect(made / "results.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size=1")  # so that changes reach the file before they are committed
        connection.execute("BEGIN")
        connection.execute("UPDATE nas_candidates SET json = json || hex(randomblob(3000))")
        for name in ("results.db", "results.db-journal"):
            shutil.copy(made / name, copy)
        connection.execute("ROLLBACK")
    before = look(copy)
    with ResultsDatabase(url(copy), read_only) as database:
        assert len(database.evaluations("a")) == COUNT
    assert (look(copy) == before) == read_only
