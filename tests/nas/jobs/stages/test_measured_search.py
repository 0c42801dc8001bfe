"""A search that measures: it starts from what is known of its supernet, and goes on where it was stopped."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from hardware.tables.entry import LATENCY
from hardware.tables.table_file import load_table, save_table
from nas.evaluation.realize import CandidateRealizer
from nas.jobs.console import summary
from nas.jobs.console.reporter import Reporter
from nas.jobs.console.summary import summarize
from nas.jobs.execution import Workers
from nas.jobs.files.job import load_job
from nas.jobs.run import fit_job, search_job, train_job
from nas.jobs.stages.export import Export
from nas.jobs.stages.search_outcome import SearchOutcome
from nas.jobs.workspace import Workspace
from nas.training.checkpoint import read_leaves
from results.evaluation import Evaluation
from results.pareto import non_dominated
from search_spaces.candidate import Candidate

SEARCH = {"searcher": "linas", "quality": "measured", "evaluations": 16, "verify": 5}


class Stopped(Exception):
    """Ends a search from outside."""


@pytest.fixture
def runs(finished_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished_run, tmp_path / "runs")


def searched(
    job_file: Path, runs: Path, table: Path | None = None, workers: int = 1, fit: bool = False, **search: object
) -> tuple[SearchOutcome, str]:
    """The front of the small job when it measures, or after a fit, and what was said."""
    job = yaml.safe_load(job_file.read_text()) | {"search": SEARCH | search}
    if table is not None:
        job["device"] = {"table": str(table)}
    changed = runs.parent / "changed.yaml"
    changed.write_text(yaml.safe_dump(job))
    said = io.StringIO()
    with Workspace(load_job(changed), runs, Reporter(Console(file=said, width=200)), Workers(workers)) as workspace:
        if fit:
            fit_job(workspace)
        return search_job(workspace), said.getvalue()


def evaluations(job_file: Path, runs: Path, run: str) -> list[Evaluation]:
    with Workspace(load_job(job_file), runs, Reporter(Console(file=io.StringIO()))) as workspace:
        return workspace.database.evaluations(run)


@dataclass(frozen=True)
class Undisturbed:
    """A finished search that nothing disturbed: its runs, which are not to be changed, and what came of it."""

    runs: Path
    outcome: SearchOutcome
    said: str


@pytest.fixture(scope="module")
def undisturbed(job_file: Path, finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    runs = shutil.copytree(finished_run, tmp_path_factory.mktemp("undisturbed") / "runs")
    return Undisturbed(runs, *searched(job_file, runs, workers=2))


def test_it_starts_from_what_was_measured_and_measures_that_no_more(job_file: Path, undisturbed: Undisturbed) -> None:
    runs, outcome, said = undisturbed.runs, undisturbed.outcome, undisturbed.said
    assert "17 candidates of this supernet were measured before" in said  # 12 to fit, 5 to verify
    stored = evaluations(job_file, runs, outcome.record.run)
    assert len(stored) == 16
    assert {entry.source for entry in stored} == {"measured"}
    sources = outcome.record.sources
    others = [entry for run in sources for entry in evaluations(job_file, runs, run)]
    assert sum(sources.values()) == len(others) == 17
    assert not {entry.candidate for entry in stored} & {entry.candidate for entry in others}
    measured = {entry.candidate.key: entry.values["accuracy"] for entry in [*stored, *others]}
    assert outcome.table["measured_accuracy"].tolist() == [measured[key] for key in outcome.table["key"]]
    assert "predicted_accuracy" not in outcome.table


def test_the_front_is_that_of_expected_values(job_file: Path, runs: Path) -> None:
    outcome, _ = searched(job_file, runs, warm_start=False, verify=1000)
    points = outcome.points
    axes = np.column_stack([-points["expected_accuracy"], points["latency_ms"], points["weight_bytes"]])
    assert sorted(outcome.table["key"]) == sorted(points["key"][non_dominated(axes)])
    stored = {entry.candidate.key: entry.values for entry in evaluations(job_file, runs, outcome.record.run)}
    assert points["measured_accuracy"].tolist() == [stored[key]["accuracy"] for key in points["key"]]
    assert (points["measured_accuracy"] != points["expected_accuracy"]).any()
    assert (outcome.table["expected_accuracy_std"] > 0).all()


def test_the_page_has_every_measured_point(job_file: Path, runs: Path) -> None:
    outcome, _ = searched(job_file, runs, evaluations=6, objectives=["accuracy", "latency_ms"])
    assert {entry.candidate.key for entry in evaluations(job_file, runs, outcome.record.run)} <= set(
        outcome.points["key"]
    )
    assert outcome.points[["expected_accuracy", "latency_ms"]].notna().all(axis=None)
    assert "weight_bytes" not in outcome.points


def test_candidates_are_looked_at_with_a_part_of_the_images(job_file: Path, runs: Path) -> None:
    options = {"fidelity": 0.25, "ratio": 3}
    outcome, _ = searched(job_file, runs, searcher="multi_fidelity", evaluations=10, options=options)
    stored = evaluations(job_file, runs, outcome.record.run)
    full = {entry.candidate: entry.values for entry in stored if entry.fidelity == 1.0}
    looks = {entry.candidate: entry.values for entry in stored if entry.fidelity == 0.25}
    assert (len(full), len(looks)) == (10, 48)  # two rounds of 8 that look at three for each
    assert full.keys() < looks.keys()
    assert any(looks[candidate]["accuracy"] != values["accuracy"] for candidate, values in full.items())
    assert all(looks[candidate]["latency_ms"] == values["latency_ms"] for candidate, values in full.items())
    _, again = searched(job_file, runs, evaluations=5)
    assert "27 candidates of this supernet were measured before" in again  # a look does not count


def test_the_stored_front_has_what_was_asked_for_and_nothing_else(job_file: Path, runs: Path) -> None:
    searched(job_file, runs, evaluations=4, objectives=["accuracy", "macs"])
    with Workspace(load_job(job_file), runs, Reporter(Console(file=io.StringIO()))) as workspace:
        frame = workspace.database.frame(source="expected")
    asked = frame[frame["macs"].notna()]
    assert len(asked)
    assert asked[["expected_accuracy", "accuracy", "macs"]].notna().all(axis=None)
    assert asked[["latency_ms", "weight_bytes"]].isna().all(axis=None)
    assert set(asked["device"]) == {"any"}


def test_several_metrics_are_measured_in_one_pass(job_file: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[float] = []

    def measure(self: CandidateRealizer, candidate: Candidate, *others: Any) -> dict[str, float]:
        passes.append(1.0)
        return measured(self, candidate, *others)

    measured = CandidateRealizer.measure
    monkeypatch.setattr(CandidateRealizer, "measure", measure)
    objectives = ["accuracy", "worst_class_accuracy", "weight_bytes"]
    outcome, said = searched(job_file, runs, evaluations=5, objectives=objectives)
    assert "were measured before" not in said  # nothing but the accuracy was
    assert len(passes) == 5
    table = outcome.table
    assert (table["measured_worst_class_accuracy"] <= table["measured_accuracy"]).all()
    assert table["expected_worst_class_accuracy"].tolist() == table["measured_worst_class_accuracy"].tolist()


def test_a_limited_metric_that_is_no_objective_is_a_constraint(job_file: Path, runs: Path) -> None:
    everything, _ = searched(job_file, runs, evaluations=4)
    limit = float(everything.table["latency_ms"].median())
    outcome, _ = searched(job_file, runs, evaluations=4, objectives=["accuracy"], limits={"latency_ms": limit})
    assert (outcome.table["latency_ms"] <= limit).all()
    assert outcome.table["expected_accuracy"].nunique() == 1  # the best within the limit, and those as good


def test_the_page_shows_the_front_within_the_limits(job_file: Path, runs: Path) -> None:
    """Points outside the limits are on the page, and not on its front."""
    free, _ = searched(job_file, runs, evaluations=10, objectives=["accuracy", "macs"])
    limit = float(free.points["macs"].quantile(0.4))
    outcome, _ = searched(job_file, runs, evaluations=10, objectives=["accuracy"], limits={"macs": limit})
    shown: list[pd.DataFrame] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "write_pareto_page", lambda points, _, path, *__: [shown.append(points), path.touch()])
        networks = outcome.table.assign(role="best accuracy", file="a.onnx").head(1)
        summarize(outcome, Export(networks, runs), 100, Reporter(Console(file=io.StringIO())))
    (points,) = shown
    assert (points["macs"] > limit).any()
    assert (points["macs"][points["front"]] <= limit).all()
    assert sorted(points["key"][points["front"]]) == sorted(outcome.table["key"])


@pytest.mark.parametrize("quality", ["measured", "predicted"])
def test_a_candidate_that_fails_is_not_the_run(
    job_file: Path, runs: Path, quality: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of the search, nor of the sample that predictors are fitted to, nor of the front that is verified."""
    tried: list[str] = []

    def measure(self: CandidateRealizer, candidate: Candidate, *others: Any) -> dict[str, float]:
        tried.append(candidate.key)
        if len(tried) % 4 == 1:
            raise ZeroDivisionError("of this candidate")
        return measured(self, candidate, *others)

    measured = CandidateRealizer.measure
    monkeypatch.setattr(CandidateRealizer, "measure", measure)
    changed = yaml.safe_load(job_file.read_text())
    changed["fit"]["candidates"] = 20  # so that the next one is the first that is verified
    (other := runs.parent / "other.yaml").write_text(yaml.safe_dump(changed))
    predicted = quality == "predicted"
    search: dict[str, Any] = {"evaluations": 60} if predicted else {"warm_start": False}
    search |= {"searcher": "random", "quality": quality, "verify": 10, "most_failures": "60 %"}
    outcome, said = searched(other, runs, fit=predicted, **search)
    failed = set(tried[::4])
    assert len(tried) == len(set(tried))
    assert outcome.failures
    assert {one.key for one in outcome.failures} <= failed
    assert "x ZeroDivisionError: of this candidate (first " in said
    assert not failed & set(outcome.points["key"][outcome.points["group"] != "searched"])
    again, _ = searched(other, runs, fit=predicted, **search)
    assert len(tried) == len(set(tried))  # it knew which fail
    assert again.table["key"].tolist() == outcome.table["key"].tolist()
    networks = outcome.table.assign(role="best accuracy", file="a.onnx").head(1)
    summarize(outcome, Export(networks, runs), 100, Reporter(Console(file=(summed := io.StringIO()))))
    assert f"{len(outcome.failures)} candidates could not be evaluated" in summed.getvalue()
    page = (runs / "pareto.html").read_text()
    assert all(f'<td class="key">{one.key}</td>' in page for one in outcome.failures)


def test_it_stops_where_little_is_to_gain_and_says_what_going_on_would(job_file: Path, runs: Path) -> None:
    outcome, said = searched(job_file, runs, evaluations=60, stop={"gain": "99.5 %"})
    # the design of 30 less what is known
    assert 13 <= len(evaluations(job_file, runs, outcome.record.run)) < 60
    assert "more evaluations would add" in said
    assert "to go on, raise search.evaluations, now 60" in said


def test_a_few_shot_supernet_is_searched_leaf_by_leaf(job_file: Path, tmp_path: Path) -> None:
    job = yaml.safe_load(job_file.read_text())
    data = job["data"] | {"limit": 200}
    training = {"schedule": "few_shot", "epochs": 2, "batch_size": 25}
    search = {"searcher": "few_shot", "evaluations": 9, "verify": 5}
    path = tmp_path / "few_shot.yaml"
    path.write_text(yaml.safe_dump(job | {"data": data, "training": training, "search": search}))
    with Workspace(load_job(path), tmp_path, Reporter(Console(file=io.StringIO()))) as workspace:
        checkpoint = train_job(workspace)
        outcome = search_job(workspace)
        evaluated = workspace.database.evaluations(outcome.record.run)
        stored = workspace.space.encode([entry.candidate for entry in evaluated])
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
    expected = undisturbed.outcome
    assert resumed.record.run == expected.record.run
    assert resumed.table["key"].tolist() == expected.table["key"].tolist()


def test_another_device_needs_another_table_only(
    job_file: Path, undisturbed: Undisturbed, synthetic_table: Path, tmp_path: Path
) -> None:
    runs, first = shutil.copytree(undisturbed.runs, tmp_path / "runs"), undisturbed.outcome.points.set_index("key")
    table = load_table(synthetic_table)
    slower = {
        segment: replace(entry, values={LATENCY: 2 * entry.values[LATENCY]}) for segment, entry in table.entries.items()
    }
    save_table(replace(table, entries=slower), tmp_path / "slower.parquet")
    outcome, said = searched(job_file, runs, tmp_path / "slower.parquet", evaluations=1)
    assert "33 candidates of this supernet were measured before" in said
    points = outcome.points.set_index("key")
    common = points.index.intersection(first.index)
    assert len(common) == 33
    assert points["latency_ms"][common].tolist() == pytest.approx((2 * first["latency_ms"][common]).tolist())
    cold, said = searched(job_file, runs, evaluations=3, warm_start=False)
    assert "before" not in said
    assert len(cold.front) <= 3
