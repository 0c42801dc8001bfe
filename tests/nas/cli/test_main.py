"""Bad input gets one clear line and exit code 2, before any time is spent on it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from PIL import Image

from nas.cli.main import main

Refusal = Callable[..., str]


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
        ("space.policies", ["w32a32", "w1a8"], ["space.policies", "bit-width", "got 1"]),
        ("space.policies", ["8 bit"], ["space.policies", "w8a8", "8 bit"]),
        ("space.policies", [], ["space.policies", "one or more distinct policies, got none"]),
        ("space.policies_for", [{"policies": ["w8a8"]}], ["policies_for.0", "one of name, operator and position"]),
        ("space.policies_for", [{"name": "trunk", "policies": ["w8a8"]}], ["no layer", "found by name=trunk", "stem"]),
        ("device.name", "tpu", ["table of 'onnxruntime_cpu'", "needs 'tpu'"]),
        ("device", {"name": "tpu"}, ["device", "tpu", "known devices: onnxruntime_cpu"]),
        ("fit.predictor", "oracle", ["fit.predictor", "oracle", "ridge"]),
        ("search.searcher", "luck", ["search.searcher", "luck", "nsga2"]),
        ("search.screening", {"ratio": 2}, ["unknown key 'search.screening'", "known keys: searcher, options"]),
        (
            "search",
            {"searcher": "multi_fidelity", "options": {"fidelity": 1.5}},
            ["search: ", "fidelity must lie between 0 and 1, got 1.5"],
        ),
        (
            "search",
            {"searcher": "multi_fidelity", "quality": "predicted"},
            ["'multi_fidelity'", "lower fidelity", "take quality: measured, or another"],
        ),
        (
            "search",
            {"searcher": "random", "stop": {"gain": 0.01}},
            ["does not forecast", "leave out stop, or use linas"],
        ),
        (
            "search",
            {"searcher": "random", "options": {"predictor": "ridge"}},
            ["searcher 'random' has no option 'predictor'"],
        ),
        ("search.options", {"population_size": "many"}, ["population_size", "'nsga2'", "integer", "'many'"]),
        (
            "search",
            {"options": {"predictor": "forest"}},
            ["unknown predictor 'forest'; known predictors: ensemble, r"],
        ),
        ("search.accuracy", "measured", ["unknown key 'search.accuracy'", "quality"]),
        ("search.stop", {"gain": "half"}, ["search.stop.gain", "a share such as '0.5 %' or 0.005, got 'half'"]),
        ("search.stop", {"gain": "100 %"}, ["search.stop.gain", "less than 1"]),
        ("search.limits", {"speed": 5.0}, ["unknown objective 'speed'", "latency_ms"]),
        (
            "search",
            {"objectives": ["macs"]},
            ["nothing is to be measured; name accuracy or", "in objectives or limits, got"],
        ),
        ("search.limits", {"latency_ms": float("nan")}, ["search.limits.latency_ms", "finite"]),
        ("search.limits", {"latency_ms": -1.0}, ["limits.latency_ms must be above 0, as every latency_ms is, got -1"]),
        ("search.limits", {"accuracy": 1000}, ["limits.accuracy must lie in [0, 100], in %, got 1000"]),
        ("search.limits", {"macs": 1000}, ["search.limits.macs must be 109792 or more, as no candidate", "got 1000"]),
        (
            "search.limits",
            {"latency_ms": 1e-4},
            ["search.limits.latency_ms must be 0.00", "as no candidate of this job"],
        ),
        ("search.objectives", ["speed"], ["unknown objective 'speed'", "latency_ms"]),
        ("seed", 2**63, ["seed", "less than", str(2**63)]),
        ("name", "../elsewhere", ["name", "../elsewhere"]),
        ("name", "..", ["name", "'..'"]),
        ("name", "results.db", ["name: must not begin with results.db", "got 'results.db'"]),
        ("name", "Results.DB-wal", ["name: must not begin with results.db"]),
        ("data.source", "/nowhere", ["no data at '/nowhere'", "digits"]),
        ("space.policies", ["w32a32", "w4a4"], ["onnxruntime_cpu", "w4a4", "w32a32"]),
        ("device.table", "/nowhere/latency.parquet", ["/nowhere/latency.parquet"]),
        ("training.batch_size", 5000, ["batch_size must lie in [1, 400], the training images; got 5000"]),
        ("training.optimizer", "scaled_adam", ["a ramp needs optimizer sgd", "take optimizer sgd", "sandwich"]),
        ("training.learning_rate", 1e4, ["the loss of a subnet became", "at step", "px", "lower the learning rate"]),
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
        ("- a list", ["must hold keys and their values", "list"]),
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
    assert "missing.yaml: there is no such file" in line


def image(side: int, value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (side, side), value).save(stream, "png")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("labels", "sides", "words"),
    [
        ([3] * 100, [8] * 100, ["2 or more classes", "only class '3'", "add samples"]),
        ([0, 1] * 50, [8] * 99 + [9], ["train.parquet", "must have one size", "data.image_size"]),
    ],
)
def test_images_that_cannot_be_learnt_are_refused(
    labels: list[int], sides: list[int], words: list[str], job_file: Path, tmp_path: Path, refusal: Refusal
) -> None:
    for number, part in enumerate(("train", "test")):
        images = [image(side, 2 * row + number) for row, side in enumerate(sides)]
        pd.DataFrame({"image": images, "label": labels}).to_parquet(tmp_path / f"{part}.parquet")
    line = refusal("train", str(job_file), "--data", str(tmp_path), "--runs", str(tmp_path / "runs"))
    assert all(word in line for word in words), line


@pytest.mark.parametrize("stage", [["fit"], ["search"], ["export"], ["finetune", "0123"]])
def test_a_stage_names_the_stage_it_needs(stage: list[str], job_file: Path, tmp_path: Path, refusal: Refusal) -> None:
    assert "nas train JOB" in refusal(stage[0], str(job_file), *stage[1:], "--runs", str(tmp_path))


@pytest.mark.parametrize(
    ("path", "value"), [("training.batch_size", 5000), ("training.optimizer", "scaled_adam"), ("training.phases", [])]
)
def test_a_training_that_cannot_be_is_refused_before_anything_is_measured(
    path: str, value: Any, job_file: Path, tmp_path: Path, refusal: Refusal
) -> None:
    job = yaml.safe_load(job_file.read_text())
    section, _, key = path.partition(".")
    job[section][key] = value
    del job["device"]
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(job))
    refusal("run", str(wrong), "--runs", str(tmp_path / "runs"))
    assert not list(tmp_path.glob("runs/small/*-*"))


@pytest.mark.parametrize(
    ("workers", "advice"), [("2", "1 or 5 workers"), ("9", "5 or 25 workers"), ("30", "25 workers, or")]
)
def test_a_batch_that_workers_cannot_share_is_refused_before_they_start(
    workers: str, advice: str, job_file: Path, tmp_path: Path, refusal: Refusal
) -> None:
    arguments = (str(job_file), "--runs", str(tmp_path), "--ray", "--workers", workers)
    line = f"nas: batch_size 25 must be divisible by the {workers} training workers; use {advice}"
    assert refusal("train", *arguments).startswith(line)
    assert refusal("run", *arguments).startswith(line)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("foo", ["'auto' or host:port", "got 'foo'"]),
        ("localhost:65536", ["'auto' or host:port", "got 'localhost:65536'"]),
        ("127.0.0.1:1", ["no Ray cluster answers at '127.0.0.1:1'", "refused"]),
        ("auto", ["no Ray cluster runs on this machine; start one with --ray, or name one"]),
    ],
)
def test_an_address_without_a_cluster_is_refused(
    address: str, words: list[str], job_file: Path, tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # other tests may have started one
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def init(**_: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance. Please specify the one to connect to by ...")

    monkeypatch.setattr(ray, "init", init)
    line = refusal("train", str(job_file), "--runs", str(tmp_path), "--ray-address", address)
    assert all(word in line for word in words), line
    assert "Please" not in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train"], ["missing argument 'JOB'", "see: nas train --help"]),
        (["train", "job.yaml", "--workers", "0"], ["'--workers'", "1", "nas train --help"]),
        (["run", "job.yaml", "--workers", "4000"], ["at most the CPUs", "got 4000; take --workers"]),
        (["train", "job.yaml", "--workers", "1000000"], ["'--workers'", "4096", "nas train --help"]),
        (["run", "job.yaml", "--gpus-per-worker", "nan"], ["'--gpus-per-worker'", "nas run --help"]),
        (["run", "job.yaml", "--runs", ""], ["an argument is empty", "give it a value"]),
        (["results", "list", "--database="], ["an argument is empty", "give it a value"]),
        (["run", "job.yaml", "--ray-address", "6379"], ["host:port, such as 10.0.0.1:6379, got '6379'"]),
        (["run", "job.yaml", "--ray-address", "host:65536"], ["host:port, such as 10.0.0.1:6379, got 'host:65536'"]),
        (["train", "job.yaml", "--worker", "2"], ["no such option", "--worker"]),
        (["trian", "job.yaml"], ["no such command 'trian'", "'train'"]),
        (["results", "show"], ["missing argument 'KEY'", "nas results show --help"]),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], words: list[str], refusal: Refusal) -> None:
    line = refusal(*arguments)
    assert all(word in line for word in words), line


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["train", "--help"], 0), ([], 2)])
def test_help_is_not_in_the_way(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["nas", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    printed = capsys.readouterr()
    assert "Usage" in printed.out
    assert not printed.err
