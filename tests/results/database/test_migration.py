"""Databases of older revisions are migrated without loss, those of others and of newer versions left alone."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from results.database import migration
from results.database.engine import open_engine
from results.database.errors import DatabaseError
from results.database.results_database import ResultsDatabase
from results.database.schema import METADATA
from results.evaluation import Evaluation, RunRecord
from search_spaces.candidate import Architecture, Candidate

NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "r9999", "r0003"


def upgrade():
    op.add_column("nas_runs", sa.Column("note", sa.String(20), nullable=False, server_default="none"))
"""
OPEN = "import sys; from results.database.results_database import ResultsDatabase; ResultsDatabase(sys.argv[1]).runs()"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/results.db"
    return str(request.getfixturevalue("postgresql_url"))


def fill(url: str) -> list[Evaluation]:
    candidates = [Candidate(Architecture("made-up", number, ())) for number in range(20)]
    written = [Evaluation(c, {"accuracy": 1.0}, "measured", "a", n, 0) for n, c in enumerate(candidates)]
    with ResultsDatabase(url) as database:
        database.begin(RunRecord("a", {"budget": 10}, 1))
        database.append(written)
    return written


def test_revisions_make_what_the_program_reads(url: str) -> None:
    engine = open_engine(url)
    with engine.connect() as connection:
        tables = MigrationContext.configure(connection, opts={"version_table": migration.VERSION_TABLE})
        assert compare_metadata(tables, METADATA) == []
    engine.dispose()


def test_an_older_database_is_migrated_without_loss(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = fill(url)
    before = (tmp_path / "results.db").read_bytes() if url.startswith("sqlite") else b""
    versions = shutil.copytree(migration.VERSIONS, tmp_path / "later, 100% new: versions")
    (versions / "r9999_note.py").write_text(NEXT)
    monkeypatch.setattr(migration, "VERSIONS", versions)
    if before:  # a reader migrates a copy
        with ResultsDatabase(url, read_only=True) as database:
            assert database.evaluations("a") == written
            with pytest.raises(DatabaseError, match="readonly"):
                database.begin(RunRecord("b", {}, 1))
        assert (tmp_path / "results.db").read_bytes() == before
    else:
        with pytest.raises(DatabaseError, match="of an older revision; a job that writes to it brings it up to date"):
            ResultsDatabase(url, read_only=True)
    for _ in range(2):  # migrated, then only opened
        engine = open_engine(url)
        with engine.connect() as connection:
            assert connection.scalars(sa.text("SELECT note FROM nas_runs")).all() == ["none"]
        engine.dispose()
    with ResultsDatabase(url) as database:
        assert database.evaluations("a") == written
        assert database.record("a").inputs == {"budget": 10}

    monkeypatch.undo()  # for a program of before, it is too new
    with pytest.raises(
        DatabaseError, match="has revision 'r9999', this nas knows those up to r0003; update nas"
    ) as caught:
        ResultsDatabase(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("nas_schema", "was written by an older nas in a form that this one does not read; name another database"),
        ("photos", r"is no results database \(it holds photos\); name another file"),
    ],
)
def test_databases_of_before_revisions_and_of_others_are_left_alone(tmp_path: Path, table: str, message: str) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE {table} (version)")
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=message):
        ResultsDatabase(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_opening_does_not_wait_for_the_import_of_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/results.db"
    fill(url)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    command = [sys.executable, "-c", f"{OPEN}; assert 'alembic' not in sys.modules", url]
    subprocess.run(command, check=True, env=environment)
