"""A search that measures: it starts from what is known of its supernet, and goes on where it was stopped."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console

from hardware.tables.entry import LATENCY
from hardware.tables.table_file import load_table, save_table
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import load_job
from nas.jobs.run import search_front
from nas.jobs.stages.front import VerifiedFront
from nas.jobs.stages.train import train
from nas.jobs.workspace import Workspace
from nas.training.checkpoint import read_leaves
from results.evaluation import Evaluation, RunRecord
from results.pareto import non_dominated

SEARCH = {"searcher": "linas", "accuracy": "measured", "evaluations": 16, "verify": 5}


class Stopped(Exception):
    """Ends a search from outside."""


@pytest.fixture
def runs(finished_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished_run, tmp_path / "runs")


def searched(
    job_file: Path, runs: Path, table: Path | None = None, workers: int = 1, **search: object
) -> tuple[VerifiedFront, str]:
    """The front of the small job when it measures, and what was said."""
    job = yaml.safe_load(job_file.read_text()) | {"search": SEARCH | search}
    if table is not None:
        job["device"] = {"table": str(table)}
    changed = runs.parent / "changed.yaml"
    changed.write_text(yaml.safe_dump(job))
    said = io.StringIO()
    with Workspace(load_job(changed), runs, None, Reporter(Console(file=said, width=200)), workers) as workspace:
        return search_front(workspace), said.getvalue()


def evaluations(job_file: Path, runs: Path, run: str) -> list[Evaluation]:
    with Workspace(load_job(job_file), runs, None, Reporter(Console(file=io.StringIO()))) as workspace:
        return workspace.database.evaluations(run)


@dataclass(frozen=True)
class Undisturbed:
    """A finished search that nothing disturbed: its runs, which are not to be changed, and what came of it."""

    runs: Path
    front: VerifiedFront
    said: str


@pytest.fixture(scope="module")
def undisturbed(job_file: Path, finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    runs = shutil.copytree(finished_run, tmp_path_factory.mktemp("undisturbed") / "runs")
    return Undisturbed(runs, *searched(job_file, runs, workers=2))


def test_it_starts_from_what_was_measured_and_measures_that_no_more(job_file: Path, undisturbed: Undisturbed) -> None:
    runs, front, said = undisturbed.runs, undisturbed.front, undisturbed.said
    assert "17 candidates of this supernet were measured before" in said  # 12 to fit, 5 to verify
    stored = evaluations(job_file, runs, front.run)
    assert len(stored) == 16
    assert {entry.source for entry in stored} == {"verified"}
    known = {entry.candidate.key for entry in stored}
    assert front.predicted_accuracy is None
    sources = _record(job_file, runs, front.run).sources
    others = [entry for run in sources for entry in evaluations(job_file, runs, run)]
    assert sum(sources.values()) == len(others) == 17
    assert not known & {entry.candidate.key for entry in others}
    measured = {entry.candidate.key: entry.values["accuracy"] for entry in [*stored, *others]}
    keys = [candidate.key for candidate in front.population.candidates]
    assert front.measured_accuracy.tolist() == [measured[key] for key in keys]


def test_the_front_is_that_of_expected_accuracies(job_file: Path, runs: Path) -> None:
    front, _ = searched(job_file, runs, warm_start=False, verify=1000)
    stored = evaluations(job_file, runs, front.run)
    assert front.searched_accuracy is not None
    exact = [[entry.values["latency_ms"], entry.values["weight_bytes"]] for entry in stored]
    best = non_dominated(np.column_stack([-front.searched_accuracy, exact]))
    keys = [candidate.key for candidate in front.population.candidates]
    assert sorted(keys) == sorted(stored[row].candidate.key for row in np.flatnonzero(best))
    expected = dict(zip([entry.candidate.key for entry in stored], front.searched_accuracy, strict=True))
    assert front.expected_accuracy.tolist() == [expected[key] for key in keys]
    assert not np.array_equal(front.searched_accuracy, [entry.values["accuracy"] for entry in stored])
    assert (front.accuracy_std > 0).all()


def test_candidates_are_chosen_by_a_part_of_the_images(job_file: Path, runs: Path) -> None:
    options = {"fidelity": 0.25, "ratio": 3}
    front, _ = searched(job_file, runs, searcher="multi_fidelity", options=options, evaluations=8)
    stored = evaluations(job_file, runs, front.run)
    full, low = ([entry for entry in stored if entry.fidelity == fidelity] for fidelity in (1.0, 0.25))
    assert (len(full), len(low), len(stored)) == (8, 24, 32)
    assert {entry.candidate for entry in full} < {entry.candidate for entry in low}
    values = {entry.candidate: entry.values for entry in full}
    both = [(entry.values, values[entry.candidate]) for entry in low if entry.candidate in values]
    assert any(some["accuracy"] != all_["accuracy"] for some, all_ in both)
    assert all(some["latency_ms"] == all_["latency_ms"] for some, all_ in both)
    _, again = searched(job_file, runs, evaluations=5)
    assert "25 candidates of this supernet were measured before" in again  # those measured in part do not count


def test_the_stored_front_has_all_that_was_asked_for(job_file: Path, runs: Path) -> None:
    searched(job_file, runs, evaluations=4, objectives=["accuracy", "macs"])
    with Workspace(load_job(job_file), runs, None, Reporter(Console(file=io.StringIO()))) as workspace:
        frame = workspace.database.frame(source="expected")
    asked = frame[frame["macs"].notna()]
    assert len(asked)
    assert asked[["expected_accuracy", "accuracy", "latency_ms", "weight_bytes"]].notna().all(axis=None)


def test_a_limited_metric_that_is_no_objective_is_a_constraint(job_file: Path, runs: Path) -> None:
    everything, _ = searched(job_file, runs, evaluations=4)
    limit = float(np.median(everything.latency_ms))
    front, _ = searched(job_file, runs, evaluations=4, objectives=["accuracy"], limits={"latency_ms": limit})
    assert (front.latency_ms <= limit).all()
    assert len(set(front.expected_accuracy)) == 1  # the best within the limit, and those as good


def test_it_stops_where_little_is_to_gain_and_says_what_going_on_would(job_file: Path, runs: Path) -> None:
    front, said = searched(job_file, runs, evaluations=60, stop={"gain": "99.5 %"})
    assert 13 <= len(evaluations(job_file, runs, front.run)) < 60  # the design of 30 less what is known
    assert "more evaluations would add" in said
    assert "to go on, raise search.evaluations, now 60" in said


def test_a_split_supernet_is_searched_leaf_by_leaf(job_file: Path, tmp_path: Path) -> None:
    job = yaml.safe_load(job_file.read_text())
    training = {"schedule": "few_shot", "epochs": 2, "batch_size": 25}
    search = {"searcher": "few_shot", "evaluations": 9, "verify": 5}
    path = tmp_path / "split.yaml"
    path.write_text(yaml.safe_dump(job | {"training": training, "search": search}))
    with Workspace(load_job(path), tmp_path, None, Reporter(Console(file=io.StringIO()))) as workspace:
        checkpoint = train(workspace)
        front = search_front(workspace)
        stored = workspace.space.encode([entry.candidate for entry in workspace.database.evaluations(front.run)])
        leaves = read_leaves(checkpoint, workspace.space.architectures)
    assert len(stored) == 9
    assert sum(any(leaf.contains(stored)) for leaf in leaves) == len(leaves) == 4


def test_it_goes_on_from_what_it_started_from(
    job_file: Path, runs: Path, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = 0

    def stop(*_: object) -> None:
        nonlocal told
        told += 1
        if told == 12:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("nas.jobs.console.reporter.Bar.advance", stop)
        with pytest.raises(Stopped):
            searched(job_file, runs)
    searched(job_file, runs, evaluations=5)  # measures others meanwhile
    resumed, _ = searched(job_file, runs)
    expected = undisturbed.front
    assert resumed.run == expected.run
    assert [resumed.population[row].key for row in range(len(resumed.best))] == [
        expected.population[row].key for row in range(len(expected.best))
    ]


def test_another_device_needs_another_table_only(
    job_file: Path, undisturbed: Undisturbed, synthetic_table: Path, tmp_path: Path
) -> None:
    runs, first = shutil.copytree(undisturbed.runs, tmp_path / "runs"), undisturbed.front
    table = load_table(synthetic_table)
    slower = {
        segment: replace(entry, values={LATENCY: 2 * entry.values[LATENCY]}) for segment, entry in table.entries.items()
    }
    save_table(replace(table, entries=slower), tmp_path / "slower.parquet")
    front, said = searched(job_file, runs, tmp_path / "slower.parquet", evaluations=1)
    assert "33 candidates of this supernet were measured before" in said
    doubled = dict(zip([one.key for one in first.population.candidates], 2 * first.latency_ms, strict=True))
    common = [row for row, one in enumerate(front.population.candidates) if one.key in doubled]
    assert common
    assert [front.latency_ms[row] for row in common] == pytest.approx(
        [doubled[front.population[row].key] for row in common]
    )
    cold, said = searched(job_file, runs, evaluations=3, warm_start=False)
    assert "before" not in said
    assert len(cold.population) <= 3
    assert np.isfinite(cold.latency_ms).all()


def _record(job_file: Path, runs: Path, run: str) -> RunRecord:
    with Workspace(load_job(job_file), runs, None, Reporter(Console(file=io.StringIO()))) as workspace:
        return workspace.database.record(run)
