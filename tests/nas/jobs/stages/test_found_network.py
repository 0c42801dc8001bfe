"""A key leads to the one network that was measured under it, or to the list of those that were."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from nas.jobs.stages.found_network import find_network
from results.database.results_database import ResultsDatabase
from results.evaluation import JSON, Evaluation, RunRecord, Source
from search_spaces.candidate import Architecture, Candidate

CANDIDATE = Candidate(Architecture("made-up", 8, ()))
KEPT = {"format": 1, "job": {"name": "one"}}


def store(
    database: ResultsDatabase,
    run: str,
    source: Source = "measured",
    subject: str = "s",
    kept: bool = True,
    inputs: Mapping[str, JSON] | None = None,
    fidelity: float = 1.0,
    **values: float,
) -> None:
    job, _, stage = run.partition("/")
    document = KEPT if kept else {}
    record = RunRecord(
        run,
        inputs or {"budget": run},
        0,
        job=job if stage else "",
        stage=stage.partition("-")[0],
        subject=subject,
        job_document=document,
    )
    database.begin(record)
    measured = values or {"accuracy": 90.0}
    database.append([Evaluation(CANDIDATE, measured, source, run, 0, 0, fidelity=fidelity)])


def test_runs_of_one_subject_measured_one_network() -> None:
    with ResultsDatabase("sqlite://") as database:
        store(database, "one/search", accuracy=91.0, latency_ms=0.5)
        store(database, "one/front", "expected", subject="")
        store(database, "one/older", kept=False)
        found = find_network(database, CANDIDATE.key[:5])
    assert (found.candidate, found.record.run, found.subject) == (CANDIDATE, "one/search", "s")
    assert found.measured == {"accuracy": 91.0, "latency_ms": 0.5}
    assert found.predicted_latency_ms == 0.5
    assert not found.is_finetuned


def test_other_networks_of_that_key_are_listed() -> None:
    with ResultsDatabase("sqlite://") as database:
        store(database, "one/search")
        store(database, "two/search", subject="t")
        store(database, "one/finetune", "finetuned", subject="")
        with pytest.raises(ValueError, match="name one by --run") as told:
            find_network(database, CANDIDATE.key)
        for named in ("'one/finetune' (finetuned)", "'one/search' (measured)", "'two/search' (measured)"):
            assert named in str(told.value)
        assert "\n" not in str(told.value)
        tuned = find_network(database, CANDIDATE.key, "one/finetune")
        with pytest.raises(ValueError, match=r"run 'three' has not evaluated candidate .*these have: 'one/"):
            find_network(database, CANDIDATE.key, "three")
    assert tuned.is_finetuned


def test_what_is_predicted_is_not_measured() -> None:
    with ResultsDatabase("sqlite://") as database:
        store(database, "one/search", "predicted", subject="", accuracy=91.0, latency_ms=0.5)
        alone = find_network(database, CANDIDATE.key)
        database.begin(RunRecord("one/v", {"search": "one/search"}, 0, job="one", stage="verify", subject="s"))
        verified = find_network(database, CANDIDATE.key)
    assert (alone.subject, verified.subject, verified.record.run) == ("", "s", "one/search")
    assert verified.measured == {}
    assert verified.predicted_latency_ms == 0.5


def test_a_part_of_the_images_is_no_measurement() -> None:
    with ResultsDatabase("sqlite://") as database:
        store(database, "one/search", fidelity=0.25)
        assert find_network(database, CANDIDATE.key).measured == {}
        store(database, "one/search-older", accuracy=80.0)
        assert find_network(database, CANDIDATE.key).measured == {"accuracy": 80.0}


def test_an_export_leads_to_what_it_exported() -> None:
    of: dict[str, JSON] = {"of": "one/finetune", "candidate": CANDIDATE.key}
    with ResultsDatabase("sqlite://") as database:
        store(database, "one/search")
        store(database, "one/finetune", "finetuned", "", inputs={"subject": "s"}, accuracy=92.0, latency_ms=0.4)
        store(database, "one/export", "exported", "", inputs=of, latency_ms=0.3)
        store(database, "one/export-other", "exported", "", inputs={**of, "candidate": "cafe", "format": "fp32"})
        found = find_network(database, CANDIDATE.key, "one/export")
        with pytest.raises(ValueError, match="for that file: nas export cafe --run one/finetune --format fp32"):
            find_network(database, CANDIDATE.key, "one/export-other")
    assert (found.record.run, found.subject, found.is_finetuned) == ("one/finetune", "s", True)
    assert found.measured["accuracy"] == 92.0
    assert math.isnan(found.predicted_latency_ms)


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
