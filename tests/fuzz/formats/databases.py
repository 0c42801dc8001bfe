"""Databases of SQLite: their bytes, the values of their rows, and their tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from fuzzer import Attempt, Format, require
from mutations import CELLS, NUMBERS, TEXTS, mutate_bytes, mutate_json

from results.database.frame import choose_metrics
from results.database.results_database import ResultsDatabase
from results.database.schema import METADATA
from results.evaluation import Evaluation, RunRecord
from results.metric import METRICS
from search_spaces.candidate import Architecture, Candidate

_CANDIDATES = [Candidate(Architecture("made-up", number, ())) for number in range(6)]
_COLUMNS = [(table.name, column.name) for table in METADATA.sorted_tables for column in table.columns]


def _make(path: Path) -> bytes:
    with ResultsDatabase(f"sqlite:///{path}") as database:
        for run, candidates in (("job/one", _CANDIDATES[:4]), ("job/two", _CANDIDATES[4:])):
            database.begin(RunRecord(run, {"budget": 1}, 0, device="npu", job="job", stage="search"))
            rows = enumerate(candidates)
            database.append(
                Evaluation(made, {"accuracy": 90.0 - n, "latency_ms": 2.0 + n}, "measured", run, n, 0)
                for n, made in rows
            )
    return path.read_bytes()


def _edit(path: Path, rng: Random) -> None:
    """One statement that SQLite allows: a value of another type or sense, a row or a table less, another schema."""
    table, column = rng.choice([*_COLUMNS, *[("nas_evaluations", "values")] * 5])
    row, what = rng.randrange(1, 5), rng.random()
    strange: Any = rng.choice([*TEXTS, *CELLS, *[one for one in NUMBERS if abs(one) < 2**63], b"\x00\xff", None])
    if what < 0.4 and column in ("values", "inputs", "versions", "sources", "json"):
        strange = json.dumps(mutate_json({"accuracy": 90.0, "latency_ms": 5}, rng))
    statement, values = f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = {row}', (strange,)
    if what > 0.9:
        statements = [
            f'DELETE FROM "{table}" WHERE rowid = {row}',
            f'DROP TABLE "{table}"',
            f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO other',
            f'ALTER TABLE "{table}" ADD COLUMN extra TEXT',
            "UPDATE alembic_version SET version_num = 'later'",
            "DELETE FROM alembic_version",
        ]
        statement, values = rng.choice(statements), ()
    with closing(sqlite3.connect(path)) as connection, connection:
        try:
            connection.execute(statement, values)
        except (sqlite3.Error, UnicodeError):  # a row without its key, or a text that SQLite refuses
            connection.rollback()


def _use(path: Path) -> None:
    with ResultsDatabase(f"sqlite:///{path}", read_only=True) as database:
        runs = database.runs()
        found = database.frame(source="measured")
        for name in METRICS:
            if name in found.columns:
                least, most = METRICS[name].bounds
                require(bool(found[name].dropna().between(least, most).all()), f"{name} of {found[name].tolist()}")
        for run in runs["run"]:
            database.record(run)
            for evaluation in database.evaluations(run):
                require(bool(evaluation.values) != bool(evaluation.failure), "neither values nor a failure")
        for key in found["key"]:
            database.candidate(key)
            database.failures(key)
        require(set(found["run"]) <= set(runs["run"]), "evaluations of a run that is not listed")
        if len(found):
            choose_metrics(found)


def _database(folder: Path) -> Attempt:
    path = folder / "results.db"
    whole = _make(path)

    def attempt(rng: Random | None) -> Callable[[], object]:
        for besides in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + besides).unlink(missing_ok=True)
        path.write_bytes(whole)
        if rng and rng.random() < 0.4:
            path.write_bytes(mutate_bytes(whole, rng))
        elif rng:
            _edit(path, rng)
        before = path.read_bytes()

        def read() -> None:
            try:
                _use(path)
            finally:
                require(path.read_bytes() == before, "reading has changed it")

        return read

    return attempt


FORMATS = {"database": Format("databases", _database, names_file=False)}
