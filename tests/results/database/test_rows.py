from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from results.database.errors import DatabaseError
from results.database.results_database import ResultsDatabase
from results.database.rows import make_run_row, read_run
from results.evaluation import Evaluation, Provenance, RunRecord
from search_spaces.candidate import Architecture, Candidate


def test_a_run_is_read_as_it_was_written() -> None:
    provenance = Provenance({"python": "3.11.0"}, "abc1234", "2025-01-01T00:00:00+00:00")
    kept = {"format": 1, "job": {"name": "job", "seed": 7}}
    record = RunRecord("a", {"budget": 10}, 7, "phone", "job", "search", "digest", {"earlier": 3}, provenance, kept)
    assert read_run(make_run_row(record)) == record


def test_a_row_changed_behind_our_back_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    with ResultsDatabase(f"sqlite:///{path}") as database:
        database.begin(RunRecord("a", {}, 0))
        candidate = Candidate(Architecture("made-up", 32, ()))
        database.append([Evaluation(candidate, {"accuracy": 90.0}, "measured", "a", 0, 0)])
        for statement in (
            "UPDATE nas_candidates SET json = replace(json, ':32', ':33')",
            "UPDATE nas_candidates SET json = 'x'",
            "UPDATE nas_evaluations SET \"values\" = '{'",
        ):
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute(statement)
            with pytest.raises(DatabaseError, match=r"damaged.*restore a copy"):
                database.evaluations("a")
