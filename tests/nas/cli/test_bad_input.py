"""Bad input gets one clear line and exit code 2, and harms nothing that is stored."""

from __future__ import annotations

import io
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from PIL import Image

from nas.cli.main import main
from nas.jobs.workspace import Workspace
from results.evaluation import Evaluation
from search_spaces.joint_space import JointSpace
from search_spaces.registry import search_space

Refusal = Callable[..., str]


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Gives the one line with which the program refuses its arguments."""

    def refused(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["nas", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("nas: ")
        return lines[0]

    return refused


@pytest.fixture
def copied_run(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run that a test may change."""
    return shutil.copytree(finished_run, tmp_path / "runs")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("serach", {}, ["unknown key 'serach'", "known keys", "search"]),
        ("training.full_epochs", 3, ["unknown key 'training.full_epochs'", "known keys: schedule, epochs"]),
        ("training.schedule", "fast", ["training.schedule", "'fast'", "known schedules: ofa"]),
        ("training.batch_size", "many", ["training.batch_size", "integer", "'many'"]),
        ("training.batch_size", 0, ["training.batch_size", "greater than or equal to 1", "0"]),
        ("space.name", "vgg", ["space.name", "vgg", "mobilenet_v3_digits"]),
        ("space.policies", ["w9a8"], ["space.policies", "bit-width", "9"]),
        ("space.policies", ["8 bit"], ["space.policies", "w8a8", "8 bit"]),
        ("device.name", "tpu", ["device.name", "tpu", "onnxruntime_cpu"]),
        ("fit.predictor", "oracle", ["fit.predictor", "oracle", "ridge"]),
        ("search.searcher", "luck", ["search.searcher", "luck", "nsga2"]),
        ("search.limits", {"macs": 5.0}, ["limits.macs", "objectives"]),
        ("search.limits", {"latency_ms": float("nan")}, ["search.limits.latency_ms", "finite"]),
        ("search.objectives", ["speed"], ["unknown objective 'speed'", "latency_ms"]),
        ("seed", 2**63, ["seed", "less than", str(2**63)]),
        ("name", "../elsewhere", ["name", "../elsewhere"]),
        ("data.source", "/nowhere", ["no data at '/nowhere'", "digits"]),
        ("space.policies", ["w32a32", "w4a4"], ["onnxruntime_cpu", "w4a4", "w32a32"]),
        ("device.table", "/nowhere/latency.parquet", ["/nowhere/latency.parquet"]),
        ("training.batch_size", 5000, ["batch_size 5000", "training images"]),
        ("training.learning_rate", 1e30, ["the loss of a subnet became", "at step", "px", "lower the learning rate"]),
        (
            "training",
            {"phases": [{"name": "whole", "epochs": 1, "learning_rate": 0.1, "open": {"kernel": [3, 9]}}]},
            ["phase 'whole'", "kernel", "[3, 5]", "got [3, 9]"],
        ),
    ],
)
def test_a_wrong_job_is_refused(
    path: str,
    value: Any,
    words: list[str],
    job_file: Path,
    tmp_path: Path,
    refusal: Refusal,
) -> None:
    job = yaml.safe_load(job_file.read_text())
    section, _, key = path.rpartition(".")
    (job[section] if section else job)[key] = value
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(job))
    line = refusal("run", str(wrong), "--runs", str(tmp_path / "runs"))
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", ["not YAML"]),
        ("- a list", ["must hold the sections", "list"]),
        ("name: x", ["space is missing"]),
        ("!!python/object/apply:os.system ['true']", ["not YAML"]),
    ],
)
def test_a_file_that_is_no_job_is_refused(text: str, words: list[str], tmp_path: Path, refusal: Refusal) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text)
    line = refusal("run", str(wrong), "--runs", str(tmp_path / "runs"))
    assert all(word in line for word in words), line
    line = refusal("run", str(tmp_path / "missing.yaml"))
    assert "missing.yaml: No such file" in line


def image(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (side, side)).save(stream, "png")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("labels", "sides", "words"),
    [
        ([3] * 100, [8] * 100, ["2 or more classes", "only class 3", "add images"]),
        ([0, 1] * 50, [8] * 99 + [9], ["train.parquet", "must have one size", "resize them"]),
    ],
)
def test_images_that_cannot_be_learnt_are_refused(
    labels: list[int], sides: list[int], words: list[str], job_file: Path, tmp_path: Path, refusal: Refusal
) -> None:
    rows = pd.DataFrame({"image": [image(side) for side in sides], "label": labels})
    for part in ("train", "test"):
        rows.to_parquet(tmp_path / f"{part}.parquet")
    line = refusal("train", str(job_file), "--data", str(tmp_path), "--runs", str(tmp_path / "runs"))
    assert all(word in line for word in words), line


@pytest.mark.parametrize("stage", [["fit"], ["search"], ["export"], ["finetune", "0123"]])
def test_a_stage_names_the_stage_it_needs(stage: list[str], job_file: Path, tmp_path: Path, refusal: Refusal) -> None:
    assert "nas train JOB" in refusal(stage[0], str(job_file), *stage[1:], "--runs", str(tmp_path))


def test_an_unfinished_training_of_another_schedule_is_not_forgotten(
    job_file: Path, tmp_path: Path, refusal: Refusal
) -> None:
    unfinished = tmp_path / "runs" / "small" / "train-0a1b2c3d" / "training.safetensors"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"half a training")
    line = refusal("train", str(job_file), "--runs", str(tmp_path / "runs"))
    assert all(word in line for word in (str(unfinished.parent), "unfinished training", "schedule", "delete")), line
    assert unfinished.read_bytes() == b"half a training"
    assert list(unfinished.parent.parent.glob("train-*")) == [unfinished.parent]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ffffffffffff"], ["unknown candidate 'ffffffffffff'", "known: "]),
        (["OTHER"], ["is not of the space of job 'small'", "'resnet_digits'", "the job that found it"]),
        (["OTHER", "--epochs", "0"], ["epochs must be above 0"]),
    ],
)
def test_what_cannot_be_fine_tuned_is_refused(
    arguments: list[str],
    words: list[str],
    job_file: Path,
    workspace: Callable[..., Workspace],
    copied_run: Path,
    refusal: Refusal,
) -> None:
    other = JointSpace(search_space("resnet_digits", 1, 10)).largest()
    with workspace(copied_run) as opened:
        record = opened.record("elsewhere", {}, "any")
        opened.database.begin(record)
        opened.database.append([Evaluation(other, {"accuracy": 50.0}, "measured", record.run, 0, 0)])
    given = [other.key[:12] if argument == "OTHER" else argument for argument in arguments]
    line = refusal("finetune", str(job_file), *given, "--runs", str(copied_run))
    assert all(word in line for word in words), line
    assert not list(copied_run.glob("small/finetune-*"))


def test_limits_that_nothing_keeps_are_reported_with_the_nearest(
    job_file: Path,
    copied_run: Path,
    tmp_path: Path,
    refusal: Refusal,
) -> None:
    job = yaml.safe_load(job_file.read_text())
    job["search"]["limits"] = {"weight_bytes": 100.0}
    strict = tmp_path / "strict.yaml"
    strict.write_text(yaml.safe_dump(job))
    line = refusal("run", str(strict), "--runs", str(copied_run))
    assert "nothing satisfies weight_bytes <= 100" in line
    assert "the nearest of 300 candidates" in line


@pytest.mark.parametrize("damaged", ["results.db", "small/train-*/supernet.safetensors"])
def test_a_damaged_file_is_named_and_left_alone(
    damaged: str,
    job_file: Path,
    copied_run: Path,
    refusal: Refusal,
) -> None:
    (file,) = copied_run.glob(damaged)
    rubbish = b"rubbish" * 1000
    file.write_bytes(rubbish)
    assert file.name in refusal("run", str(job_file), "--runs", str(copied_run))
    assert file.read_bytes() == rubbish


def test_a_checkpoint_of_another_space_is_refused(
    job_file: Path,
    copied_run: Path,
    refusal: Refusal,
) -> None:
    from nas.training.checkpoint import TrainingState, save_checkpoint
    from search_spaces.elastic.registry import supernet
    from search_spaces.registry import search_space

    (file,) = copied_run.glob("small/train-*/supernet.safetensors")
    save_checkpoint(file, supernet(search_space("resnet_digits", 1, 10), 0), TrainingState(0, ""))
    line = refusal("run", str(job_file), "--runs", str(copied_run))
    assert "'resnet_digits'" in line
    assert "'mobilenet_v3_digits'" in line


def test_a_disk_without_room_is_reported_and_the_run_goes_on_later(job_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nas.cli.main", "run", str(job_file), "--runs", str(tmp_path)]

    def no_file_over_100_kb() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    refused = subprocess.run(command, capture_output=True, text=True, preexec_fn=no_file_over_100_kb, check=False)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert "File too large" in refused.stderr
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list"], ["no results database"]),
        (["pareto", "--metrics", "beauty"], ["beauty", "accuracy"]),
        (["pareto", "--limit", "latency_ms"], ["latency_ms=5"]),
        (["pareto", "--run", "nobody"], ["nobody", "small/"]),
        (["show", "ffffffffffffffffff"], ["ffffffffffffffffff"]),
    ],
)
def test_wrong_queries_are_refused(
    arguments: list[str],
    words: list[str],
    finished_run: Path,
    tmp_path: Path,
    refusal: Refusal,
) -> None:
    runs = tmp_path if arguments == ["list"] else finished_run
    line = refusal("results", *arguments, "--runs", str(runs))
    assert all(word in line for word in words), line
