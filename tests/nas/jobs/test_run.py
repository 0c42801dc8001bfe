"""The whole job: what it leaves, that it resumes exactly, and that it is the same wherever it measures."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from nas.jobs.run import run
from nas.jobs.train import train
from nas.jobs.workspace import Workspace
from results.database import ResultsDatabase

STAGES = ("fit", "search", "verify")


def outcome(runs: Path) -> dict[str, list[tuple[int, str, dict[str, float]]]]:
    """Every stored evaluation of the job by stage, in order."""
    with ResultsDatabase(f"sqlite:///{runs / 'results.db'}") as database:
        names = {stage: [r for r in database.runs()["run"] if r.startswith(f"small/{stage}-")] for stage in STAGES}
        assert all(len(found) == 1 for found in names.values()), names
        return {
            stage: [(e.sequence, e.candidate.key, dict(e.values)) for e in database.evaluations(found[0])]
            for stage, found in names.items()
        }


def start(job: Path, runs: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "nas.cli.main", "run", str(job), "--runs", str(runs), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_a_run_leaves_files_that_work(finished_run: Path) -> None:
    (folder,) = finished_run.glob("small/export-*")
    table = pd.read_csv(folder / "networks.csv")
    assert len(table) == 2
    for row in table.itertuples():
        session = onnxruntime.InferenceSession(folder / row.file, providers=["CPUExecutionProvider"])
        side = session.get_inputs()[0].shape[-1]
        (logits,) = session.run(None, {"images": np.zeros((3, 1, side, side), np.float32)})
        assert logits.shape == (3, 10)
        assert row.measured_latency_ms > 0
        assert row.measured_accuracy > 20  # chance is 10
        assert abs(row.expected_accuracy - row.measured_accuracy) < 15
        assert 0 < row.accuracy_std < 15
    page = (folder / "pareto.html").read_text()
    assert all(key in page for key in table["key"])
    assert '"error_y":{"array":[' in page
    assert "expected_accuracy (%)" in page
    assert "90 % intervals" in page
    with ResultsDatabase(f"sqlite:///{finished_run / 'results.db'}") as database:
        exported = database.frame(source="exported")
    assert exported["expected_accuracy"].tolist() == pytest.approx(table["expected_accuracy"].tolist())


def test_the_front_is_verified_and_within_the_search(finished_run: Path) -> None:
    stored = outcome(finished_run)
    assert [len(stored[stage]) for stage in STAGES] == [12, 300, len(stored["verify"])]
    searched = {key for _, key, _ in stored["search"]}
    assert len(searched) == 300  # nothing was asked twice
    assert {key for _, key, _ in stored["verify"]} <= searched


def test_a_finished_run_is_not_done_again(job_file: Path, finished_run: Path) -> None:
    outputs = [*finished_run.glob("small/*/*.safetensors"), *finished_run.glob("small/*/*.onnx")]
    before = outcome(finished_run), [output.stat().st_mtime_ns for output in outputs]
    assert len(outputs) == 3
    assert start(job_file, finished_run).wait() == 0
    assert (outcome(finished_run), [output.stat().st_mtime_ns for output in outputs]) == before


def test_ray_and_processes_give_the_same_run(
    job_file: Path, workspace: Callable[..., Workspace], finished_run: Path, tmp_path: Path, ray_cluster: str
) -> None:
    train(workspace(tmp_path / "ray"))  # several training workers would give other bits
    run(workspace(tmp_path / "ray", 2, ray_cluster))
    assert start(job_file, tmp_path / "processes", "--workers", "2").wait() == 0
    assert outcome(tmp_path / "ray") == outcome(tmp_path / "processes") == outcome(finished_run)


@pytest.mark.parametrize("moment", range(5))
def test_a_run_killed_at_any_moment_ends_as_if_undisturbed(
    moment: int, job_file: Path, finished_run: Path, tmp_path: Path, run_seconds: float
) -> None:
    running = start(job_file, tmp_path, "--workers", str(1 + moment % 2))
    time.sleep(random.Random(moment).uniform(0.1, 0.7) * run_seconds)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    resumed = start(job_file, tmp_path)
    assert resumed.wait() == 0, resumed.stderr.read().decode() if resumed.stderr else ""
    assert outcome(tmp_path) == outcome(finished_run)


@pytest.fixture(scope="module")
def run_seconds(job_file: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long an undisturbed run takes here."""
    started = time.monotonic()
    assert start(job_file, tmp_path_factory.mktemp("timed")).wait() == 0
    return time.monotonic() - started
