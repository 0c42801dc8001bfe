"""The commands that query the results database."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from nas.cli.main import app
from nas.cli.results import SourceName
from results.database.results_database import ResultsDatabase
from results.evaluation import SOURCES, Evaluation, RunRecord
from search_spaces.candidate import Architecture, Candidate, OperatorBlock


def shown(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["results", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_list_names_every_run(finished_run: Path) -> None:
    output = shown("list", "--runs", str(finished_run))
    assert all(f"small/{stage}-" in output for stage in ("fit", "search", "verify", "front", "export"))


def test_pareto_ranks_by_what_is_expected_and_by_what_was_measured_on_request(finished_run: Path) -> None:
    with ResultsDatabase(f"sqlite:///{finished_run / 'results.db'}") as database:
        front = database.frame(source="expected").set_index("key")
        verified = database.frame(source="verified").set_index("key")
    assert set(front.index) <= set(verified.index)
    assert front["accuracy"].to_dict() == verified["accuracy"][front.index].to_dict()
    assert (front["expected_accuracy"] != front["accuracy"]).any()
    output = shown("pareto", "--runs", str(finished_run))
    assert "expected_accuracy" in output
    assert all(key in output for key in front.index)
    for options in (["--source", "verified"], ["--run", str(verified["run"].iloc[0])]):
        output = shown("pareto", *options, "--runs", str(finished_run))
        assert "Pareto front, verified" in output
        assert "expected_accuracy" not in output


def test_pareto_keeps_the_limits(finished_run: Path) -> None:
    with ResultsDatabase(f"sqlite:///{finished_run / 'results.db'}") as database:
        median = float(database.frame(source="predicted")["weight_bytes"].median())
    output = shown("pareto", "--source", "predicted", "--limit", f"weight_bytes={median}", "--runs", str(finished_run))
    sizes = [
        float(line.split()[3]) for line in output.splitlines() if "small/search-" in line and "latencies" not in line
    ]
    assert sizes
    assert max(sizes) <= median


def test_metrics_may_have_blanks_around_commas(finished_run: Path) -> None:
    options = ["pareto", "--source", "predicted", "--runs", str(finished_run), "--metrics"]
    assert shown(*options, "accuracy, weight_bytes ") == shown(*options, "accuracy,weight_bytes")
    result = CliRunner().invoke(app, ["results", *options, "accuracy,,weight_bytes"])
    assert "--metrics must be names between commas" in str(result.exception)


def test_every_source_may_be_asked_for() -> None:
    assert get_args(SourceName) == SOURCES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "finetuned"], r"no finetuned evaluations; there are predicted \(300\), .*, see --source"),
        (["--job", "nobody"], "unknown job 'nobody'; known jobs: small"),
        (["--run", "nobody"], "unknown run 'nobody'; known runs: "),
        (["--device", "nobody"], "unknown device 'nobody'; known devices: "),
        (["--limit", "latency_ms=nan"], "the limit of latency_ms must be a finite number, got nan"),
        (["--limit", "latency_ms=inf"], "the limit of latency_ms must be a finite number, got inf"),
        (["--limit", "latency_ms"], "a limit is written like latency_ms=5, got 'latency_ms'"),
        (["--limit", "latency_ms=1", "--limit", "latency_ms=2"], "--limit must name each metric once"),
        (["--limit", "latency_ms=-1"], r"none of \d+ evaluations keeps the limits .*; the best have latency_ms 0\."),
        (["--metrics", "energy_mj"], "no evaluation here has energy_mj; recorded: "),
        (["--metrics", "accuracy,accuracy"], "--metrics must name each metric once"),
    ],
)
def test_an_empty_front_says_why(arguments: list[str], message: str, finished_run: Path) -> None:
    result = CliRunner().invoke(app, ["results", "pareto", *arguments, "--runs", str(finished_run)])
    assert result.stdout == ""
    assert isinstance(result.exception, ValueError)
    assert re.search(message, str(result.exception))


def test_every_prediction_says_how_far_off_it_may_be(finished_run: Path) -> None:
    for source in ("predicted", "verified", "expected"):
        output = shown("pareto", "--source", source, "--runs", str(finished_run))
        assert "are within 3.5 % on average" in output
    assert "within" not in shown("pareto", "--source", "exported", "--runs", str(finished_run))


@pytest.mark.parametrize("digits", [6, 16])
def test_show_finds_a_candidate_by_the_first_digits_of_its_key(digits: int, finished_run: Path) -> None:
    with ResultsDatabase(f"sqlite:///{finished_run / 'results.db'}") as database:
        key = str(database.frame(source="exported")["key"].iloc[0])
        candidate = database.candidate(key)
    output = shown("show", key[:digits], "--runs", str(finished_run))
    assert key in output
    assert candidate.to_json() in output


def test_a_candidate_is_shown_with_its_own_metrics_alone(tmp_path: Path) -> None:
    mine, other = (Candidate(Architecture("cell", 0, ((OperatorBlock(name),),))) for name in ("conv", "pool"))
    with ResultsDatabase(f"sqlite:///{tmp_path / 'results.db'}") as database:
        database.begin(RunRecord("run", inputs={}, seed=0))
        found = [
            (mine, {"accuracy": 90.5}),
            (mine, {"accuracy": 90.5, "macs": 10.0}),
            (other, {"energy_mj": 0.5}),
        ]
        database.append(
            Evaluation(candidate, values, "measured", "run", number, seed=0)
            for number, (candidate, values) in enumerate(found)
        )
        database.append([Evaluation(mine, {}, "measured", "run", 3, seed=0, failure="out of [/red] memory")])
    output = shown("show", mine.key[:6], "--runs", str(tmp_path))
    assert all(name in output for name in ("accuracy", "macs"))
    assert "failed in run: out of [/red] memory" in output
    assert "energy_mj" not in output
    assert "nan" not in output


def test_names_are_shown_as_they_are_stored(tmp_path: Path) -> None:
    strange = "[/red]\x1b[31m[link=x]"
    made = Candidate(Architecture(strange, 0, ((OperatorBlock("[/bold]"),),)))
    with ResultsDatabase(f"sqlite:///{tmp_path / 'results.db'}") as database:
        inputs = {"latency_error_percent": 2.5}
        database.begin(RunRecord(strange, inputs, seed=0, device=strange, job=strange, stage="search"))
        database.begin(RunRecord("other", {"latency_error_percent": "[/red]"}, seed=0))
        values = {"accuracy": 90.0, "[/red]": 1.0}
        database.append([Evaluation(made, values, "measured", strange, 0, 0)])
        database.append([Evaluation(made, {"accuracy": 90.0}, "measured", "other", 0, 0)])
    escaped = "[/red]\\x1b[31m[link=x]"
    for command in (["list"], ["pareto", "--metrics", "accuracy"], ["pareto", "--job", strange], ["show", made.key]):
        if "--job" in command:
            command += ["--metrics", "accuracy"]
        output = shown(*command, "--runs", str(tmp_path))
        assert escaped in output
        assert "\x1b" not in output
    assert f"latencies of {escaped} are within 2.5 % on average" in " ".join(
        shown("show", made.key, "--runs", str(tmp_path)).split()
    )


def test_damaged_records_of_runs_are_said_beside_the_others(tmp_path: Path) -> None:
    made = Candidate(Architecture("cell", 0, ((OperatorBlock("conv"),),)))
    errors = {"below": "-5", "bool": "true", "text": '"a"', "infinite": "1e999", "large": "1e300", "fine": "2.5"}
    with ResultsDatabase(f"sqlite:///{tmp_path / 'results.db'}") as database:
        for run in errors:
            database.begin(RunRecord(run, {}, seed=0))
            database.append([Evaluation(made, {"accuracy": 90.0}, "measured", run, 0, 0)])
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection, connection:
        for run, error in errors.items():
            inputs = f'{{"latency_error_percent": {error}}}'
            connection.execute("UPDATE nas_runs SET inputs = ? WHERE run = ?", (inputs, run))
        connection.execute("UPDATE nas_runs SET seed = 'abc' WHERE run = 'text'")
    output = " ".join(shown("show", made.key, "--runs", str(tmp_path)).split())
    for line in (
        "latency_error_percent of run 'below' is damaged in the database (got -5)",
        "latency_error_percent of run 'bool' is damaged in the database (got True)",
        "seed of run 'text' is damaged in the database (got 'abc')",
        "inputs of run 'infinite' is damaged in the database (got {'latency_error_percent': inf})",
        "latencies of large are within 1e+300 % on average",
        "latencies of fine are within 2.5 % on average",
    ):
        assert line in output
    listed = " ".join(shown("list", "--runs", str(tmp_path)).split())
    assert "seed of run 'text' is damaged in the database (got 'abc')" in listed
    assert "inputs of run 'infinite' is damaged" in listed


def test_a_copy_without_its_wal_says_where_the_rest_lies(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    with ResultsDatabase(f"sqlite:///{tmp_path / 'results.db'}") as database:
        database.begin(RunRecord("job/search-1", {}, seed=0))
        shutil.copy(tmp_path / "results.db", copy)
    result = CliRunner().invoke(app, ["results", "list", "--runs", str(copy)])
    assert "job/search-1" in result.stdout
    assert "the last evaluations are in the results.db-wal beside the original; copy both" in result.stderr
