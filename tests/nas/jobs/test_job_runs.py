"""Runs are found by what they depend on, and what is stored whole is stored once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nas.jobs.job_runs import JobRuns
from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[JobRuns]:
    with ResultsDatabase("sqlite://") as database:
        yield JobRuns("small", 7, tmp_path / "small", database, {"data": "d"})


def test_a_run_is_named_by_everything_it_depends_on(runs: JobRuns, tmp_path: Path) -> None:
    checkpoint, copy = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    checkpoint.write_bytes(b"weights")
    copy.write_bytes(b"weights")
    record = runs.record("search", {"supernet": checkpoint}, "npu", "s")
    assert record.run.startswith("small/search-")
    assert (record.job, record.stage, record.seed, record.device, record.subject) == ("small", "search", 7, "npu", "s")
    assert runs.record("search", {"supernet": copy}).run == record.run  # the content counts, not where it lies
    assert runs.path("search", {"supernet": copy}) == runs.path("search", {"supernet": checkpoint})
    copy.write_bytes(b"other weights")
    assert runs.record("search", {"supernet": copy}).run != record.run
    assert replace(runs, common={"data": "e"}).record("search", {"supernet": checkpoint}).run != record.run


def test_the_order_of_keys_is_no_setting(runs: JobRuns) -> None:
    one, other = ({"limits": limits} for limits in ({"macs": 1.0, "bops": 2.0}, {"bops": 2.0, "macs": 1.0}))
    assert runs.record("search", one).run == runs.record("search", other).run


def test_what_is_stored_is_not_stored_again(runs: JobRuns) -> None:
    candidate = JointSpace(create_space("resnet_digits", 1, 10)).smallest()
    record = runs.record("export", {})
    evaluations = [Evaluation(candidate, {"accuracy": 90.0}, "exported", record.run, 0, 7)]
    for _ in range(2):
        runs.store(record, evaluations)
    assert runs.database.evaluations(record.run) == evaluations
