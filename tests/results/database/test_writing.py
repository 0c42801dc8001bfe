"""What is added is whole or not there, whoever else adds at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord
from search_spaces.candidate import Architecture, Candidate


def candidate(number: int) -> Candidate:
    return Candidate(Architecture("made-up", 32 + number, ()))


def evaluation(run: str, sequence: int, accuracy: float = 90.0) -> Evaluation:
    return Evaluation(candidate(sequence), {"accuracy": accuracy}, "measured", run, sequence, 0)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/results.db"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def database(url: str) -> Iterator[ResultsDatabase]:
    with ResultsDatabase(url) as opened:
        for run in ("a", "b"):
            opened.begin(RunRecord(run, {}, 0))
        yield opened


def test_sequence_numbers_are_used_once_and_a_refused_batch_leaves_nothing(database: ResultsDatabase) -> None:
    database.append([evaluation("a", 0), evaluation("a", 1)])
    with pytest.raises(ValueError, match=r"holds numbers up to 1, got 1\.\.3"):
        database.append([evaluation("a", 3), evaluation("a", 1, accuracy=99.0)])
    with pytest.raises(ValueError, match="the same run and sequence number"):
        database.append([evaluation("b", 7), evaluation("b", 7)])
    assert [entry.values["accuracy"] for entry in database.evaluations("a")] == [90.0, 90.0]
    database.append([evaluation("a", 3), evaluation("b", 1)])  # candidates of refused batches can still be added
    assert database.candidate(candidate(3).key) == candidate(3)


def test_processes_append_at_the_same_time(database: ResultsDatabase, url: str) -> None:
    script = """
import sys
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation
from search_spaces.candidate import Architecture, Candidate
with ResultsDatabase(sys.argv[1]) as database:
    for start in range(0, 200, 5):
        batch = [(n, Candidate(Architecture("made-up", n, ()))) for n in range(start, start + 5)]
        database.append(Evaluation(made, {"macs": 1.0}, "measured", sys.argv[2], n, 0) for n, made in batch)
"""
    paths = f"{Path(__file__).resolve().parents[3]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, "PYTHONPATH": paths}
    processes = [
        subprocess.Popen([sys.executable, "-c", script, url, run], env=environment, stderr=subprocess.PIPE, text=True)
        for run in ("a", "b")
    ]
    assert [process.communicate()[1] for process in processes] == ["", ""]
    assert [len(database.evaluations(run)) for run in ("a", "b")] == [200, 200]
    assert database.frame()["key"].nunique() == 200
