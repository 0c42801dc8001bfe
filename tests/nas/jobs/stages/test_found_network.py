"""A key leads to the one network that was measured under it, or to the list of those that were."""

from __future__ import annotations

import pytest

from nas.jobs.stages.found_network import find_network
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord, Source
from search_spaces.candidate import Architecture, Candidate

CANDIDATE = Candidate(Architecture("made-up", 8, ()))
KEPT = {"format": 1, "job": {"name": "one"}}


def store(
    database: ResultsDatabase,
    run: str,
    source: Source = "measured",
    subject: str = "s",
    kept: bool = True,
    **values: float,
) -> None:
    job, _, stage = run.partition("/")
    document = KEPT if kept else {}
    record = RunRecord(
        run, {"budget": run}, 0, job=job if stage else "", stage=stage, subject=subject, job_document=document
    )
    database.begin(record)
    database.append([Evaluation(CANDIDATE, values or {"accuracy": 90.0}, source, run, 0, 0)])


def test_runs_of_one_subject_measured_one_network() -> None:
    with ResultsDatabase("sqlite://") as database:
        store(database, "one/search", accuracy=91.0, latency_ms=0.5)
        store(database, "one/front", "expected", subject="")
        store(database, "one/older", kept=False)
        found = find_network(database, CANDIDATE.key[:5])
    assert (found.candidate, found.record.run, found.subject) == (CANDIDATE, "one/search", "s")
    assert found.values == {"accuracy": 91.0, "latency_ms": 0.5}
    assert not found.is_finetuned


def test_other_networks_of_that_key_are_listed() -> None:
    with ResultsDatabase("sqlite://") as database:
        store(database, "one/search")
        store(database, "two/search", subject="t")
        store(database, "one/finetune", "finetuned", subject="")
        with pytest.raises(
            ValueError, match=r"'one/finetune' \(finetuned\), 'one/search' \(measured\).*by --run"
        ) as told:
            find_network(database, CANDIDATE.key)
        assert "\n" not in str(told.value)
        tuned = find_network(database, CANDIDATE.key, "one/finetune")
        with pytest.raises(ValueError, match=r"run 'three' has not evaluated candidate .*these have: 'one/finetune', "):
            find_network(database, CANDIDATE.key, "three")
    assert tuned.is_finetuned


def test_what_no_job_measured_has_no_network() -> None:
    with ResultsDatabase("sqlite://") as database:
        store(database, "byhand", subject="")
        with pytest.raises(ValueError, match="evaluated by 'byhand', which is no run of a job"):
            find_network(database, CANDIDATE.key)
        with pytest.raises(ValueError, match="unknown candidate 'fff'"):
            find_network(database, "fff")
        database.begin(RunRecord("one/failed", {}, 0, job="one", stage="failed"))
        other = Candidate(Architecture("made-up", 9, ()))
        database.append([Evaluation(other, {}, "measured", "one/failed", 0, 0, failure="no memory")])
        with pytest.raises(ValueError, match="failed wherever it was evaluated; see: nas results show"):
            find_network(database, other.key)
