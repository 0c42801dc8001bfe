"""The commands that query the results database."""

from __future__ import annotations

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


def test_every_source_may_be_asked_for() -> None:
    assert get_args(SourceName) == SOURCES


def test_nothing_found_is_an_empty_table(finished_run: Path) -> None:
    assert "Pareto front, finetuned (0)" in shown("pareto", "--source", "finetuned", "--runs", str(finished_run))


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
    output = shown("show", mine.key[:6], "--runs", str(tmp_path))
    assert all(name in output for name in ("accuracy", "macs"))
    assert "energy_mj" not in output
    assert "nan" not in output
