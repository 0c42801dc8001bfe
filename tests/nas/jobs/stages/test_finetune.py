"""Candidates of few bits get better by fine-tuning, and their files compute what torch computes."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

import nas.jobs.stages.finetune
import nas.training.task
from nas.export.agreement import check_agreement
from nas.export.onnx_model import open_session, run_session
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import load_job
from nas.jobs.run import finetune_job, train_job
from nas.jobs.workspace import Workspace
from nas.training.plan import TrainingExecution
from nas.training.progress import StepCallback, StepReport
from results.evaluation import Evaluation
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

JOB = {
    "name": "low",
    "data": {"source": "digits", "limit": 500},
    "space": {"name": "resnet_digits", "policies": ["w32a32", "w3a8", "w2a8"]},
    "training": {"schedule": "single", "epochs": 6, "batch_size": 25},
}
EPOCHS, LEARNING_RATE = 2.0, 0.02


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned candidate: where it was made, what it is and what came of it."""

    job: Path
    runs: Path
    candidate: Candidate
    networks: pd.DataFrame
    folder: Path


def opened(job: Path, runs: Path) -> Workspace:
    return Workspace(load_job(job), runs, Reporter(Console(file=io.StringIO(), width=200)))


def found_in(folder: Path, seed: int = 0) -> tuple[Path, Path, Candidate]:
    """A job, the runs in which its supernet is trained, and a candidate of 2 and 3 bits in their database."""
    job, runs = folder / "job.yaml", folder / "runs"
    job.write_text(yaml.safe_dump(JOB | {"seed": seed}))
    with opened(job, runs) as workspace:
        checkpoint = train_job(workspace)
        space = workspace.space
        layers = len(space.largest().policy.layers)
        policy = tuple(LayerPolicy.quantized(2 + number % 2, 8) for number in range(layers))
        candidate = Candidate(space.largest().architecture, CompressionPolicy(policy))
        record = workspace.execution.runs.record("fit", {"supernet": checkpoint})
        workspace.database.begin(record)
        workspace.database.append([Evaluation(candidate, {"accuracy": 50.0}, "measured", record.run, 0, 0)])
    return job, runs, candidate


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Candidate]:
    """What `found_in` leaves; not to be changed."""
    return found_in(tmp_path_factory.mktemp("low"))


def tuned_in(runs: Path, job: Path, candidate: Candidate) -> Tuned:
    with opened(job, runs) as workspace:
        exported = finetune_job(workspace, candidate.key[:6], EPOCHS, LEARNING_RATE)
    return Tuned(job, runs, candidate, exported.networks, exported.folder)


@pytest.fixture(scope="module")
def tuned(found: tuple[Path, Path, Candidate], tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    job, runs, candidate = found
    return tuned_in(shutil.copytree(runs, tmp_path_factory.mktemp("tuned") / "runs"), job, candidate)


def test_candidates_of_few_bits_get_better(tuned: Tuned, tmp_path: Path) -> None:
    job, runs, candidate = found_in(tmp_path, seed=1)
    rows = [one.networks.iloc[0] for one in (tuned, tuned_in(runs, job, candidate))]
    assert [row["key"] for row in rows] == [tuned.candidate.key] * 2
    rises = [row["measured_accuracy"] - row["before_accuracy"] for row in rows]
    # 7 to 14 points over four seeds and three arithmetics, 11 on average, with a deviation of 2.4
    assert np.mean(rises) > 4, rises


def test_what_was_found_is_stored(tuned: Tuned) -> None:
    with opened(tuned.job, tuned.runs) as workspace:
        (stored,) = workspace.database.frame(source="finetuned").to_dict("records")
    row = tuned.networks.iloc[0]
    assert stored["run"].startswith("low/finetune-")
    assert stored["key"] == tuned.candidate.key
    assert stored["accuracy"] == row["measured_accuracy"]
    assert stored["test_accuracy"] == row["test_accuracy"]
    assert stored["latency_ms"] == row["measured_latency_ms"] > 0
    assert stored["weight_bytes"] == row["weight_bytes"]
    assert "onnxruntime_cpu" in stored["device"]


def test_the_file_is_the_network_that_was_measured(tuned: Tuned) -> None:
    candidate, row = tuned.candidate, tuned.networks.iloc[0]
    with opened(tuned.job, tuned.runs) as workspace:
        measurement = replace(workspace.subject.measurement, checkpoint=tuned.folder / "supernet.safetensors")
        realizer, before = measurement.realizer(workspace.data), workspace.subject.realizer()
        test = workspace.data.test
    inputs = realizer.transform.inputs(test.images, candidate.architecture.resolution)
    session = open_session((tuned.folder / row["file"]).read_bytes())
    check_agreement(realizer.realize(candidate), session, inputs)
    hits = run_session(session, inputs.numpy()).argmax(1) == test.labels.numpy()
    assert row["test_accuracy"] == pytest.approx(100 * hits.mean())
    assert row["measured_accuracy"] == realizer.measure_accuracy(candidate)
    assert row["before_accuracy"] == before.measure_accuracy(candidate)


def test_other_metrics_are_another_fine_tuning(tuned: Tuned, tmp_path: Path) -> None:
    worst = tmp_path / "worst.yaml"
    job = yaml.safe_load(tuned.job.read_text())
    worst.write_text(yaml.safe_dump(job | {"search": {"objectives": ["worst_class_accuracy", "macs"]}}))
    with opened(worst, shutil.copytree(tuned.runs, tmp_path / "runs")) as workspace:
        exported = finetune_job(workspace, tuned.candidate.key, EPOCHS, LEARNING_RATE)
    assert "measured_worst_class_accuracy" in exported.networks
    assert "measured_accuracy" not in exported.networks
    assert exported.folder != tuned.folder


def test_it_is_not_done_twice(tuned: Tuned) -> None:
    before = {path: path.stat().st_mtime_ns for path in tuned.folder.iterdir()}
    with opened(tuned.job, tuned.runs) as workspace:
        exported = finetune_job(workspace, tuned.candidate.key, EPOCHS, LEARNING_RATE)
        assert len(workspace.database.frame(source="finetuned")) == 1
        assert isinstance(workspace.reporter.console.file, io.StringIO)
        shown = workspace.reporter.console.file.getvalue()
    assert "finetune done before" in shown
    assert f"{exported.networks['before_accuracy'].iloc[0]:.2f}" in shown
    assert exported.folder == tuned.folder
    assert {path: path.stat().st_mtime_ns for path in tuned.folder.iterdir()} == before


def test_a_killed_one_goes_on_and_ends_as_if_undisturbed(
    found: tuple[Path, Path, Candidate], tuned: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    steps: list[int] = []

    @contextmanager
    def killing(_reporter: Reporter, _title: str, _folder: Path, at: int) -> Iterator[StepCallback]:
        def watch(report: StepReport) -> None:
            steps.append(report.step)
            if report.step == at:
                raise Killed

        yield watch

    job, _, candidate = found
    runs = shutil.copytree(found[1], tmp_path / "runs")
    monkeypatch.setattr(nas.training.task, "TrainingExecution", partial(TrainingExecution, checkpoint_s=0.0))
    monkeypatch.setattr(nas.jobs.stages.finetune, "follow_training", partial(killing, at=20))
    with opened(job, runs) as workspace, pytest.raises(Killed):
        finetune_job(workspace, candidate.key, EPOCHS, LEARNING_RATE)
    monkeypatch.setattr(nas.jobs.stages.finetune, "follow_training", partial(killing, at=0))
    with opened(job, runs) as workspace:
        exported = finetune_job(workspace, candidate.key, EPOCHS, LEARNING_RATE)
    networks, folder = exported.networks, exported.folder
    assert steps == [*range(1, 21), *range(20, 33)]
    same = [column for column in networks if column != "measured_latency_ms"]
    pd.testing.assert_frame_equal(networks[same], tuned.networks[same])
    checkpoints = [path / "supernet.safetensors" for path in (folder, tuned.folder)]
    assert checkpoints[0].read_bytes() == checkpoints[1].read_bytes()
