"""What does not go with what is stored gets one clear line and exit code 2, and harms nothing that is stored."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from nas.cli.main import app
from nas.jobs.job_folder import open_job_folder
from nas.jobs.workspace import Workspace
from nas.training.checkpoint import TrainingState, save_checkpoint
from results.evaluation import Evaluation
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

Refusal = Callable[..., str]


@pytest.mark.parametrize("command", ["train", "run"])
def test_an_unfinished_training_of_another_schedule_is_not_forgotten(
    command: str, job_file: Path, tmp_path: Path, refusal: Refusal
) -> None:
    unfinished = tmp_path / "runs" / "small" / "train-0a1b2c3d" / "training.safetensors"
    with open_job_folder(tmp_path / "runs" / "small"):
        unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"half a training")
    line = refusal(command, str(job_file), "--runs", str(tmp_path / "runs"))
    assert all(
        word in line
        for word in (str(unfinished.parent), "unfinished training", "training settings", "version", "delete")
    ), line
    assert unfinished.read_bytes() == b"half a training"
    assert list(unfinished.parent.parent.glob("train-*")) == [unfinished.parent]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ffffffffffff"], ["unknown candidate 'ffffffffffff'", "known candidates: "]),
        (["OTHER"], ["is not of the space of job 'small'", "'resnet_digits'", "the job that found it"]),
        (["OTHER", "--epochs", "0"], ["epochs must be above 0", "got 0"]),
        (["OTHER", "--epochs", "1e7"], ["epochs must be above 0 and at most 1,000,000", "got 1e+07"]),
        (["OTHER", "--learning-rate", "nan"], ["learning_rate must be above 0 and at most 10,000", "got nan"]),
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
    other = JointSpace(create_space("resnet_digits", 1, 10)).largest()
    with workspace(copied_run) as opened:
        record = opened.execution.runs.record("elsewhere", {})
        opened.database.begin(record)
        opened.database.append([Evaluation(other, {"accuracy": 50.0}, "measured", record.run, 0, 0)])
    given = [other.key[:12] if argument == "OTHER" else argument for argument in arguments]
    line = refusal("finetune", str(job_file), *given, "--runs", str(copied_run))
    assert all(word in line for word in words), line
    assert not list(copied_run.glob("small/finetune-*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "JOB", "--data", "nope"], "no data at"),
        (["data", "JOB", "--data", "nope"], "no data at"),
        (["search", "JOB", "--workers", "4000"], "got 4000"),
        (["finetune", "JOB", "0a", "--epochs", "nan"], "got nan"),
        (["finetune", "JOB", "0a", "--learning-rate", "0"], "got 0"),
        (["finetune", "JOB", "0a", "--feature-distillation", "nan"], "feature_distillation must lie in [0, 1,000,000]"),
    ],
)
def test_a_command_that_cannot_run_leaves_no_folder(
    arguments: list[str], words: str, job_file: Path, tmp_path: Path, refusal: Refusal
) -> None:
    given = [str(job_file) if one == "JOB" else one for one in arguments]
    assert words in refusal(*given, "--runs", str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_limits_that_nothing_keeps_are_reported_with_the_nearest(
    job_file: Path,
    copied_run: Path,
    tmp_path: Path,
    refusal: Refusal,
) -> None:
    job = yaml.safe_load(job_file.read_text())
    job["search"]["limits"] = {"weight_bytes": 7900.0, "accuracy": 100.0}  # either can be kept
    strict = tmp_path / "strict.yaml"
    strict.write_text(yaml.safe_dump(job))
    line = refusal("run", str(strict), "--runs", str(copied_run))
    assert "nothing satisfies accuracy >= 100 and weight_bytes <= 7900" in line
    assert "the nearest of 300 candidates" in line


def test_a_damaged_database_is_named_and_left_alone(job_file: Path, copied_run: Path, refusal: Refusal) -> None:
    file, rubbish = copied_run / "results.db", b"rubbish" * 1000
    file.write_bytes(rubbish)
    assert file.name in refusal("run", str(job_file), "--runs", str(copied_run))
    assert file.read_bytes() == rubbish


def _edit(content: bytes) -> bytes:
    """The same with other numbers in the last row."""
    return content[:-99] + content[-99:].translate(bytes.maketrans(b"0123456789", b"1234567890"))


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("train-*/supernet.safetensors", lambda content: content[:-50] + b"\x01" + content[-49:]),
        ("export-*/networks.csv", _edit),
        ("export-*/networks.csv", lambda content: content.replace(b",", b",999", 1)),
        ("export-*/layers.csv", lambda content: content.rsplit(b"\n", 2)[0]),
        ("export-*/best-accuracy-*.onnx", lambda content: content[: len(content) // 2]),
        ("export-*/best-accuracy-*.onnx", lambda _: b""),
        ("export-*/pareto.html", lambda content: content + b" "),
        ("export-*/finished.json", lambda content: content[:-20]),
        ("train-*/finished.json", lambda content: content.replace(b"sha256", b"sha257", 1)),
    ],
)
def test_what_a_finished_stage_left_is_not_believed_when_it_is_damaged(
    file: str, damage: Callable[[bytes], bytes], job_file: Path, copied_run: Path, refusal: Refusal
) -> None:
    (path,) = copied_run.glob(f"small/{file}")
    changed = damage(path.read_bytes())
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    before = {one: one.read_bytes() for one in copied_run.rglob("*") if one.is_file() and one.suffix != ".lock"}
    with sqlite3.connect(copied_run / "results.db") as database:
        rows = database.execute("select count(*) from nas_evaluations").fetchone()
    line = refusal("run", str(job_file), "--runs", str(copied_run))
    assert str(path) in line
    assert f"delete {path.parent} and start the same command again" in line
    after = {one: one.read_bytes() for one in copied_run.rglob("*") if one.is_file() and one.suffix != ".lock"}
    assert {one: content for one, content in after.items() if "results.db" not in one.name} == {
        one: content for one, content in before.items() if "results.db" not in one.name
    }
    with sqlite3.connect(copied_run / "results.db") as database:
        assert database.execute("select count(*) from nas_evaluations").fetchone() == rows


def test_a_finished_training_without_its_manifest_is_believed_by_its_digest(
    job_file: Path, copied_run: Path, refusal: Refusal
) -> None:
    """As a process leaves it that is killed at the very end."""
    (file,) = copied_run.glob("small/train-*/supernet.safetensors")
    file.with_name("finished.json").unlink()
    written, content = file.stat().st_mtime_ns, file.read_bytes()
    assert CliRunner().invoke(app, ["train", str(job_file), "--runs", str(copied_run)]).exit_code == 0
    assert file.stat().st_mtime_ns == written
    file.with_name("finished.json").unlink()
    file.write_bytes(content[:-50] + b"\x01" + content[-49:])
    assert "its content is not what was written" in refusal("train", str(job_file), "--runs", str(copied_run))
    save_checkpoint(file, build_supernet(create_space("mobilenet_v3_digits", 1, 10), 0), TrainingState(0, ""))
    assert "by another schedule" in refusal("train", str(job_file), "--runs", str(copied_run))
    save_checkpoint(file, build_supernet(create_space("resnet_digits", 1, 10), 0), TrainingState(0, ""))
    line = refusal("train", str(job_file), "--runs", str(copied_run))
    assert "'resnet_digits'" in line
    assert "'mobilenet_v3_digits'" in line


def test_a_disk_without_room_is_reported_and_the_same_command_goes_on_later(
    job_file: Path, tmp_path: Path, refusal: Refusal
) -> None:
    job, short = yaml.safe_load(job_file.read_text()), tmp_path / "short.yaml"
    job["data"]["limit"], job["training"] = 100, {"schedule": "single", "epochs": 1, "batch_size": 25}
    short.write_text(yaml.safe_dump(job))
    arguments = ["train", str(short), "--runs", str(tmp_path / "runs")]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # less than a checkpoint has
    try:
        assert "File too large" in refusal(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0, again.output
    assert list(tmp_path.glob("runs/small/train-*/supernet.safetensors"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list"], ["no results database"]),
        (["pareto", "--metrics", "beauty"], ["beauty", "accuracy"]),
        (["pareto", "--limit", "latency_ms"], ["latency_ms=5"]),
        (["pareto", "--run", "nobody"], ["nobody", "small/"]),
        (["pareto", "--job", "nobody"], ["unknown job 'nobody'; known jobs: small"]),
        (["pareto", "--metrics", "macs,macs"], ["each metric once", "macs,macs"]),
        (["list", "--database", "sqlite:////nowhere/x.db"], ["no results database at /nowhere/x.db"]),
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


def test_a_cluster_without_a_resource_is_no_place_to_profile(refusal: Refusal, job_file: Path, tmp_path: Path) -> None:
    line = refusal("profile", str(job_file), "--runs", str(tmp_path), "--ray-address", "auto")
    assert "--ray-address needs --resource" in line


def test_data_are_shown_with_what_may_be_wrong(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(90):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        pixels[..., 1] = 7
        Image.fromarray(pixels).save(path)
    for copy in ("again.png", "twice.png"):
        (tmp_path / "photos" / "a" / copy).write_bytes(path.read_bytes())
    job = tmp_path / "job.yaml"
    space = {"name": "mobilenet_v3_cifar", "policies": ["w32a32", "w8a8"]}
    job.write_text(yaml.safe_dump({"name": "photos", "data": {"source": str(tmp_path / "photos")}, "space": space}))
    for _ in range(2):  # taken, and as it was kept
        ended = CliRunner().invoke(app, ["data", str(job), "--runs", str(tmp_path / "runs")], catch_exceptions=False)
        shown = ended.output
        assert "data     60 for training, 14 for validation, 18 for testing; 2 classes with 29 to 31 training" in shown
        assert "data     images of 8x8 pixels; PNG RGB" in shown
        assert (
            "samples are training samples, too" in shown or "training samples occur again with another label" in shown
        )
        assert "channel 1 never change" in shown
        assert "again.png" in shown
        assert Image.open(tmp_path / "runs" / "photos" / "samples.png").size[1] == 2 * 52
