"""Rows that others edited are said, with run and number, wherever they are read; whole runs beside them are read."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from fuzzer import find_refusal
from mutations import mutate_bytes, mutate_json

from results.database.errors import DatabaseError
from results.database.results_database import ResultsDatabase
from results.database.schema import METADATA
from results.evaluation import Evaluation, RunRecord
from results.metric import Metric, describe_metrics
from search_spaces.candidate import Architecture, Candidate

BAD, GOOD = "bad [/red]\x1b[1m", "good"
CANDIDATES = [Candidate(Architecture("made-up", number, ())) for number in range(6)]
VALUES = """UPDATE nas_evaluations SET "values" = '{}' WHERE run LIKE 'bad%' AND sequence = 2"""
COLUMN = "UPDATE nas_evaluations SET {} WHERE run LIKE 'bad%' AND sequence = 2"
LOST = CANDIDATES[2].key

DAMAGES = [
    (VALUES.format('{"latency_ms": -Infinity}'), "latency_ms must be a finite number, got -inf"),
    (VALUES.format('{"latency_ms": NaN}'), "latency_ms must be a finite number, got nan"),
    (VALUES.format('{"latency_ms": -0.5}'), "latency_ms must lie between 0 and inf, got -0.5"),
    (VALUES.format('{"accuracy": 1000}'), "accuracy must lie between 0 and 100, got 1000"),
    (VALUES.format('{"expected_accuracy": 100.1}'), "expected_accuracy must lie between 0 and 100, got 100.1"),
    (VALUES.format('{"accuracy": true}'), "accuracy must be a finite number, got True"),
    (VALUES.format('{"accuracy": "99"}'), "accuracy must be a finite number, got '99'"),
    (VALUES.format('{"accuracy": null}'), "accuracy must be a finite number, got None"),
    (VALUES.format('{"accuracy": {"a": [1]}}'), "accuracy must be a finite number, got {'a'"),
    (VALUES.format('{"macs": ' + "9" * 400 + "}"), "macs must be a finite number, got an integer of"),
    (VALUES.format('{"macs": ' + "9" * 5000 + "}"), "its JSON cannot be read"),
    (VALUES.format("[" * 100_000), "its JSON is nested too deeply|its JSON cannot be read"),
    (VALUES.format("{"), "its JSON cannot be read"),
    (VALUES.format("[1]"), r"its values must map one or more metrics to numbers, got \[1\]"),
    (VALUES.format("{}"), "its values must map one or more metrics to numbers, got {}"),
    (VALUES.format("null"), "its values must map one or more metrics to numbers, got None"),
    (COLUMN.format("\"values\" = x'ff00'"), "its JSON cannot be read"),
    *((VALUES.format(f'{{"{name}": 1.0}}'), f"'{name}' is no metric") for name in ("key", "run", "blocks", "fidelity")),
    (COLUMN.format("failure = 'out of memory'"), "its failure must be a text, without values beside it"),
    (COLUMN.format("failure = x'00'"), "its failure must be a text"),
    (COLUMN.format("source = 'guessed'"), "its source must be one of measured, .* got 'guessed'"),
    (COLUMN.format("fidelity = 'x'"), "its fidelity must be above 0 and at most 1, got 'x'"),
    (COLUMN.format("fidelity = 9e999"), "its fidelity must be above 0 and at most 1, got inf"),
    (COLUMN.format(f"candidate_key = '{'0' * 16}'"), f"its candidate {'0' * 16} is lost"),
    (f"DELETE FROM nas_candidates WHERE key = '{LOST}'", f"its candidate {LOST} is lost"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "results.db"
    with ResultsDatabase(f"sqlite:///{path}") as database:
        for run, candidates in ((BAD, CANDIDATES[:4]), (GOOD, CANDIDATES[4:])):
            database.begin(RunRecord(run, {"budget": 1}, 0, device="[/red]"))
            evaluations = enumerate(candidates)
            database.append(Evaluation(made, {"accuracy": 90.0}, "measured", run, n, 0) for n, made in evaluations)
    return path


def edit(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_damaged_evaluations_are_said_wherever_they_are_read(path: Path) -> None:
    whole = path.read_bytes()
    for statement, message in DAMAGES:
        path.write_bytes(whole)
        edit(path, statement)
        with ResultsDatabase(f"sqlite:///{path}", read_only=True) as database:
            for read in (lambda: database.frame(source="measured"), lambda: database.evaluations(BAD)):
                with pytest.raises(DatabaseError, match=message) as caught:
                    read()
                assert f"evaluation 2 of run {BAD!r} is damaged" in str(caught.value), statement
                assert str(caught.value).isprintable()
                assert len(str(caught.value)) < 1000
            assert len(database.frame(run=GOOD)) == 2


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("sequence = 'x'", "evaluation 'x' of run .*its sequence number must be an integer from 0"),
        ("sequence = -1", "evaluation -1 of run"),
        ("tell_order = 'x'", "its tell order and its seed must be integers"),
        (f"seed = {'9' * 30}", "its tell order and its seed must be integers"),
        ("run = 'lost'", "evaluation 2 of run 'lost' is damaged in the database .its run is lost"),
    ],
)
def test_damaged_columns_are_said_where_they_count(path: Path, column: str, message: str) -> None:
    edit(path, COLUMN.format(column))
    with ResultsDatabase(f"sqlite:///{path}", read_only=True) as database:
        read = (lambda: database.evaluations(BAD)) if "integers" in message else database.frame
        with pytest.raises(DatabaseError, match=message):
            read()


@pytest.mark.parametrize(
    "column",
    [
        *("inputs = '[]'", "inputs = 'x'", "inputs = '3'", "sources = '[]'", 'sources = \'{"a": "x"}\''),
        *("versions = 'null'", "job_document = '[]'", "seed = 'x'", f"seed = {'9' * 30}"),
        *("device = x'00ff'", "job = x'00'"),
        *(f"inputs = '{'[' * 100_000}'", "inputs = '{\"a\": 1e999}'", "created = 12", "created = '2026'"),
    ],
)
def test_a_damaged_run_is_said_and_all_runs_are_listed(path: Path, column: str) -> None:
    edit(path, f"UPDATE nas_runs SET {column} WHERE run LIKE 'bad%'")
    with ResultsDatabase(f"sqlite:///{path}", read_only=True) as database:
        assert database.runs()["run"].tolist() == [BAD, GOOD]
        (damage,) = database.damaged_runs()
        with pytest.raises(DatabaseError, match=f"{column.split()[0]} of run .* is damaged") as caught:
            database.record(BAD)
        assert str(caught.value).isprintable()
        assert str(caught.value).startswith(damage)
        assert database.record(GOOD).inputs == {"budget": 1}


@pytest.mark.parametrize(
    "column",
    ["json = 'null'", "json = '['", f"json = '{'[' * 100_000}'", "json = replace(json, ':2,', ':3,')", "blocks = 7"],
)
def test_a_damaged_candidate_is_said(path: Path, column: str) -> None:
    edit(path, f"UPDATE nas_candidates SET {column} WHERE key = '{LOST}'")
    with ResultsDatabase(f"sqlite:///{path}", read_only=True) as database:
        for read in (lambda: database.candidate(LOST[:6]), lambda: database.candidates([LOST])):
            with pytest.raises(DatabaseError, match=f"candidate {LOST} .*damaged"):
                read()
        assert list(database.candidates(made.key for made in CANDIDATES[3:])) == sorted(
            made.key for made in CANDIDATES[3:]
        )


def test_values_of_described_metrics_have_their_bounds(path: Path) -> None:
    described = describe_metrics([Metric("hits", "%", maximize=True), Metric("low", "", least=-2.5)])
    with ResultsDatabase(f"sqlite:///{path}") as database:
        database.begin(RunRecord("own", {"described_metrics": described}, 0))
        database.append([Evaluation(CANDIDATES[0], {"hits": 90.0, "low": -2.0}, "measured", "own", 2, 0)])
        with pytest.raises(ValueError, match="cannot be stored: hits must lie between 0 and 100, got 101"):
            database.append([Evaluation(CANDIDATES[0], {"hits": 101.0}, "measured", "own", 3, 0)])
        database.append(
            [Evaluation(CANDIDATES[0], {"hits": 101.0}, "measured", GOOD, 3, 0)]
        )  # which says nothing of it
    for values, message in (
        ('{"test_hits": 100.5}', "test_hits must lie between 0 and 100"),
        ('{"low": -3}', "low must"),
    ):
        edit(path, f"""UPDATE nas_evaluations SET "values" = '{values}' WHERE run = 'own'""")
        with ResultsDatabase(f"sqlite:///{path}", read_only=True) as database:
            for read in (database.frame, lambda: database.evaluations("own")):  # called at once
                with pytest.raises(DatabaseError, match=f"evaluation 2 of run 'own' is damaged .*{message}"):
                    read()


def test_a_damaged_description_of_metrics_breaks_no_other_run(path: Path) -> None:
    described = json.dumps({"described_metrics": {"ink": {"format": "{:>80000000000}"}}})
    edit(path, f"UPDATE nas_runs SET inputs = '{described}' WHERE run LIKE 'bad%'")
    with ResultsDatabase(f"sqlite:///{path}", read_only=True) as database:
        assert "ink" not in database.metrics
        assert len(database.frame(run=GOOD)) == 2
        for read in (database.frame, lambda: database.record(BAD)):
            with pytest.raises(
                DatabaseError, match=r"of run 'bad .*the format of metric 'ink' must have one field like"
            ):
                read()


def test_a_text_of_another_encoding_hides_no_other_run(path: Path) -> None:
    edit(path, "UPDATE nas_runs SET device = CAST(x'80' AS TEXT) WHERE run = 'good'")
    with ResultsDatabase(f"sqlite:///{path}", read_only=True) as database:
        assert database.runs()["device"].tolist() == ["[/red]", "\\x80"]


def test_what_would_be_refused_is_not_stored(path: Path) -> None:
    with ResultsDatabase(f"sqlite:///{path}") as database:
        for values in ({"accuracy": 101.0}, {"latency_ms": -1.0}, {"key": 1.0}):
            with pytest.raises(ValueError, match="evaluation 9 of run 'good' cannot be stored"):
                database.append([Evaluation(CANDIDATES[0], values, "measured", GOOD, 9, 0)])
        database.append([Evaluation(CANDIDATES[0], {"accuracy": 100.0 + 1e-9}, "measured", GOOD, 9, 0)])
        assert len(database.frame(run=GOOD)) == 3


def test_mutated_files_are_read_or_refused_in_a_line(path: Path) -> None:
    whole, rng = path.read_bytes(), Random(0)

    def read() -> None:
        with ResultsDatabase(f"sqlite:///{path}", read_only=True) as database:
            database.runs()
            database.candidate(LOST[:6])
            database.record(GOOD)
            accuracies = database.frame()["accuracy"].dropna()
            assert accuracies.between(0, 100).all()

    for _ in range(25):
        path.write_bytes(mutate_bytes(whole, rng))
        find_refusal(read)
    columns = [(table.name, column.name) for table in METADATA.sorted_tables for column in table.columns]
    for _ in range(25):
        path.write_bytes(whole)
        table, column = rng.choice([*columns, ("nas_evaluations", "values")])
        value = json.dumps(mutate_json({"accuracy": 90.0, "macs": 5}, rng))
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = 2', (value,))
        find_refusal(read)
