"""Any candidate of the results database leaves as the network that was measured, found by its key alone."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
import yaml
from onnx import numpy_helper
from torch import nn
from typer.testing import CliRunner

from nas.cli.main import app
from nas.compression.tracing.traced_file import load_traced
from nas.data.reading import Reading
from nas.data.splits import DataSplits
from nas.export.network_file import load_network
from nas.export.onnx_model import open_session, run_session
from nas.export.target import ExportTarget
from nas.jobs.export_candidate import choose_target, names_job
from nas.jobs.files.job import Job
from nas.jobs.files.section import check_section
from nas.jobs.stages.image_reading import read_images
from nas.jobs.stages.subject import Subject
from nas.tensor_files import read_header
from results.database.results_database import ResultsDatabase

NETWORK = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10))
"""
JOB = {
    "name": "one",
    "data": {"source": "digits", "limit": 300},
    "space": {"network": "brought_once:make", "inputs": [1, 8, 8], "policies": ["w8a8", "w3a8"]},
    "search": {"evaluations": 4, "objectives": ["accuracy", "weight_bytes"]},
    "export": {"count": 1},
}
IMAGES = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)


@dataclass(frozen=True)
class Compressed:
    """The runs of a job that is no longer there, nor is the code of its network; and the candidate that it exported."""

    runs: Path
    key: str

    def export(self, *options: str, runs: Path | None = None) -> str:
        ended = CliRunner().invoke(app, ["export", *options, "--runs", str(runs or self.runs)])
        return ended.output if ended.exception is None else str(ended.exception)

    def file(self, name: str) -> bytes:
        (path,) = self.runs.glob(name)
        return path.read_bytes()

    def run(self, stage: str) -> str:
        with ResultsDatabase(f"sqlite:///{self.runs / 'results.db'}", read_only=True) as database:
            return str(database.runs().set_index("stage").loc[stage, "run"])


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Compressed:
    folder = tmp_path_factory.mktemp("compressed")
    (folder / "brought_once.py").write_text(NETWORK)
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB))
    before, path = Path.cwd(), [*sys.path]
    os.chdir(folder)
    try:
        ended = CliRunner().invoke(app, ["compress", "job.yaml", "--preset", "finetune"])
    finally:
        os.chdir(before)
        sys.path[:] = path
        sys.modules.pop("brought_once", None)
    assert ended.exit_code == 0, ended.output
    for name in ("brought_once.py", "job.yaml"):
        (folder / name).unlink()
    (networks,) = folder.glob("runs/one/export-*/networks.csv")
    return Compressed(folder / "runs", str(pd.read_csv(networks, dtype=str)["key"][0]))


def outputs(model: bytes) -> np.ndarray:
    return run_session(open_session(model), IMAGES)


def test_a_key_leads_to_what_was_measured(compressed: Compressed) -> None:
    searched = compressed.run("search")
    shown = compressed.export(compressed.key[:7], "--run", searched)
    assert f"export   {compressed.key} of {searched}" in shown
    measured = outputs(compressed.file("one/export-*/*.onnx"))
    model = compressed.file("exports/*/*-mixed-*.onnx")
    np.testing.assert_array_equal(outputs(model), measured)
    notes = {entry.key: entry.value for entry in onnx.load_from_string(model).metadata_props}
    assert (notes["candidate"], notes["run"], notes["format"]) == (compressed.key, searched, "mixed")
    assert json.loads(notes["policies"]).keys() == {"0", "3"}
    with ResultsDatabase(f"sqlite:///{compressed.runs / 'results.db'}") as database:
        known = database.frame(key=compressed.key)
    value, error = json.loads(notes["measured"])["accuracy"]
    assert value == known["accuracy"][known["run"] == searched].item()
    assert 0 < error < 10
    stored = known[known["source"] == "exported"]
    assert len(stored) == 2
    assert stored["test_accuracy"].nunique() == stored["weight_bytes"].nunique() == 1


def test_formats_are_the_same_network(compressed: Compressed) -> None:
    searched = compressed.run("search")
    for form in ("int8", "fp32", "weight_only"):
        shown = compressed.export(compressed.key, "--run", searched, "--format", form, "--batch", "2")
        assert f"-{form}-batch2-{searched.removeprefix('one/')}.onnx" in shown, shown
        integers, floats = (2, 0) if form == "int8" else (0, 2)
        assert f"{integers} layers in integers, {floats} in floating point" in shown, shown
        assert ("the policy rounds 2, and the rest of these" in shown) == (form == "weight_only")
    measured = outputs(compressed.file("one/export-*/*.onnx"))
    whole = load_traced(next(compressed.runs.glob("one/network-*/network.safetensors"))).network()
    with torch.no_grad():
        given = whole(torch.from_numpy(IMAGES)).numpy()
    found = {form: compressed.file(f"exports/*/*-{form}-*.onnx") for form in ("int8", "fp32", "weight_only")}
    np.testing.assert_array_equal(outputs(found["int8"]), measured)
    np.testing.assert_allclose(outputs(found["fp32"]), given, rtol=1e-4, atol=1e-5)
    assert open_session(found["fp32"]).get_inputs()[0].shape == [2, 1, 8, 8]
    rounding = [node.op_type for node in onnx.load_from_string(found["weight_only"]).graph.node]
    assert "DequantizeLinear" in rounding
    assert "QuantizeLinear" not in rounding


def test_a_page_a_program_and_a_native_file_lie_beside_the_file(compressed: Compressed, tmp_path: Path) -> None:
    searched = compressed.run("search")
    compressed.export(compressed.key, "--run", searched, "--torch", "--safetensors", "--output", str(tmp_path))
    name = f"{compressed.key[:8]}-mixed-{searched.removeprefix('one/')}"
    program = torch.export.load(tmp_path / f"{name}.pt2").module()
    built = load_network(tmp_path / f"{name}.safetensors")
    assert read_header(tmp_path / f"{name}.safetensors", "network", "")["notes"]["candidate"] == compressed.key
    with torch.no_grad():
        found = program(torch.from_numpy(IMAGES)).numpy()
        np.testing.assert_array_equal(built(torch.from_numpy(IMAGES)).numpy(), found)
    measured = outputs((tmp_path / f"{name}.onnx").read_bytes())
    assert np.abs(found - measured).max() <= np.ptp(measured) / 100
    page = (tmp_path / f"{name}.md").read_text()
    assert f"| candidate | {compressed.key} |" in page
    assert re.search(r"\| accuracy \(%\) \| [\d.]+ ± [\d.]+ \| \d+ test images, this file \|", page), page
    assert "np.zeros((1, 1, 8, 8), np.float32)" in page
    assert "| 3 | w" in page


def test_where_torch_makes_no_program_nothing_is_written(
    compressed: Compressed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no form\nof this")

    monkeypatch.setattr(torch.export, "export", refuse)
    told = compressed.export(compressed.key, "--run", compressed.run("search"), "--torch", "--output", str(tmp_path))
    assert "torch.export makes no program of this network (no form of this); leave out --torch" in told
    assert not [*tmp_path.iterdir()]


def test_images_are_read_as_they_are(compressed: Compressed, tmp_path: Path) -> None:
    shown = compressed.export(
        compressed.key, "--run", compressed.run("search"), "--images", "--output", str(tmp_path), "--batch", "2"
    )
    (file,) = tmp_path.glob(f"{compressed.key[:8]}-mixed-batch2-search-*-images.onnx")
    assert file.name in shown, shown
    session = open_session(file.read_bytes())
    (read,) = session.get_inputs()
    assert (read.type, read.shape) == ("tensor(uint8)", [2, "height", "width", 1])
    notes = session.get_modelmeta().custom_metadata_map
    assert notes["inputs"].startswith("uint8, shape (batch, height, width, channels): grey pixels")
    assert "mean" not in notes
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 1), dtype=np.uint8)
    assert run_session(session, images).shape == (3, 10)


def test_a_fine_tuned_network_is_another_one(compressed: Compressed, tmp_path: Path) -> None:
    tuned, key = compressed.run("finetune"), compressed.key
    told = compressed.export(key)
    assert f"'{tuned}' (finetuned)" in told
    assert "name one by --run" in told
    assert "file     " in compressed.export(key, "--run", tuned, "--safetensors", "--output", str(tmp_path))
    file = tmp_path / f"{key[:8]}-mixed-{tuned.removeprefix('one/')}.onnx"
    loaded = load_network(file.with_suffix(".safetensors"))(torch.from_numpy(IMAGES)).detach().numpy()
    assert np.abs(loaded - outputs(file.read_bytes())).max() <= 1.01 * np.ptp(loaded) / 255
    stored = map(numpy_helper.to_array, onnx.load(file).graph.initializer)
    assert "int32" in {str(one.dtype) for one in stored}  # biases, which were rounded after the training
    np.testing.assert_array_equal(outputs(file.read_bytes()), outputs(compressed.file("one/finetune-*/*.onnx")))
    assert "so there is none without" in compressed.export(key, "--run", tuned, "--format", "fp32")
    gone = shutil.copytree(compressed.runs, tmp_path / "gone")
    with closing(sqlite3.connect(gone / "results.db")) as connection, connection:
        connection.execute("UPDATE nas_runs SET inputs = json_remove(inputs, '$.epochs')")
    told = compressed.export(key, "--run", tuned, runs=gone)
    assert f"run '{tuned}' must state epochs of its fine-tuning, a number, got None" in told
    shutil.copy(compressed.runs / "results.db", gone / "results.db")
    next(gone.glob("one/finetune-*/finetuning.safetensors")).unlink()
    assert "the weights of this fine-tuned network are gone" in compressed.export(key, "--run", tuned, runs=gone)


def test_what_an_export_computes_is_no_network_of_its_own(compressed: Compressed, tmp_path: Path) -> None:
    tuned, folder = compressed.run("finetune"), ("--output", str(tmp_path))
    assert "file     " in compressed.export(compressed.key, "--run", tuned, "--format", "weight_only", *folder)
    (manifest,) = tmp_path.glob("*.json")
    computed = json.loads(manifest.read_text())["candidate"]
    assert computed != compressed.key
    told = compressed.export(computed, *folder)
    assert re.search(f"for that file: nas export {compressed.key} --run one/.* --format weight_only", told), told


def test_a_front_leads_to_its_search(compressed: Compressed, tmp_path: Path) -> None:
    shown = compressed.export(compressed.key, "--run", compressed.run("front"), "--output", str(tmp_path))
    assert f"of {compressed.run('search')}: " in shown, shown


def test_what_a_gpu_measured_leaves_without_one(
    compressed: Compressed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = shutil.copytree(compressed.runs, tmp_path / "runs")
    with closing(sqlite3.connect(runs / "results.db")) as connection, connection:
        changes = "subject = 'on cuda', inputs = json_set(inputs, '$.processor', 'cuda')"
        connection.execute(f"UPDATE nas_runs SET {changes} WHERE stage = 'search'")
    monkeypatch.setattr(Subject, "digest", property(lambda subject: f"on {subject.measurement.processor}"))
    assert "file     " in compressed.export(compressed.key, "--run", compressed.run("search"), runs=runs)


def test_networks_that_are_gone_or_others_are_refused(compressed: Compressed, tmp_path: Path) -> None:
    key, searched = compressed.key, compressed.run("search")
    runs = shutil.copytree(compressed.runs, tmp_path / "runs")
    with closing(sqlite3.connect(runs / "results.db")) as connection, connection:
        connection.execute("UPDATE nas_runs SET subject = 'other'")
    assert "on other weights or data, by another recipe" in compressed.export(key, "--run", searched, runs=runs)
    with closing(sqlite3.connect(runs / "results.db")) as connection, connection:
        connection.execute("UPDATE nas_runs SET job_document = '{}'")
    told = compressed.export(key, "--run", searched, runs=runs)
    assert "is of a version of nas whose runs kept no job; name its job file by --job FILE" in told
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(JOB | {"name": "other"}))
    told = compressed.export(key, "--run", searched, "--job", str(other), runs=runs)
    assert f"is of job 'one' (run '{searched}'), and {other} is job 'other'" in told
    shutil.copy(compressed.runs / "results.db", runs / "results.db")
    next(runs.glob("one/network-*/network.safetensors")).unlink()
    (compressed.runs / "one").rename(compressed.runs / "elsewhere")  # where the run has left it
    try:
        assert "network.safetensors" in compressed.export(key, "--run", searched, runs=runs)
    finally:
        (compressed.runs / "elsewhere").rename(compressed.runs / "one")


def test_a_folder_that_cannot_be_written_is_named(compressed: Compressed, tmp_path: Path) -> None:
    (tmp_path / "occupied").touch()
    below = tmp_path / "occupied" / "inner"
    told = compressed.export(compressed.key, "--run", compressed.run("search"), "--output", str(below))
    assert "Not a directory" in told
    assert str(below) in told


def test_a_full_disk_is_told_and_leaves_what_was_there(
    compressed: Compressed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(path: Path, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    options = (compressed.key, "--run", compressed.run("search"), "--output", str(tmp_path))
    compressed.export(*options)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert len(before) == 4
    monkeypatch.setattr(Path, "write_bytes", fill)
    told = compressed.export(*options)
    assert "No space left on device" in told
    assert "\n" not in told
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_samples_that_are_no_images_are_refused() -> None:
    data = cast(DataSplits, SimpleNamespace(transform=lambda tokens: tokens))
    with pytest.raises(ValueError, match="--images is for images, and what this network reads are none"):
        read_images(b"", nn.Identity(), data, 8, Reading())


def test_bad_input_is_one_line(compressed: Compressed, refusal: Callable[..., str], tmp_path: Path) -> None:
    occupied, job = tmp_path / "occupied", tmp_path / "job.yaml"
    occupied.touch()
    job.touch()
    runs = ("--runs", str(compressed.runs))
    for options, message in (
        (("fff", *runs), "unknown candidate 'fff'"),
        (("no-key", *runs), "takes a job file, or first digits of a candidate's key"),
        (
            (compressed.key, "--format", "int4", *runs),
            "--format must be one of mixed, int8, fp32, weight_only, got 'int4'",
        ),
        ((compressed.key, "--batch", "0", *runs), "the batch of an export must be 1 or more, got 0"),
        ((compressed.key, "--opset", "9", *runs), "exports need opset 13 or later"),
        ((compressed.key, "--runtime", "onnxruntime>=1.0", *runs), "exports need onnxruntime 1.6 or later"),
        ((compressed.key, "--output", str(occupied), *runs), "--output must be a folder, and .*occupied is a file"),
        ((str(job), "--format", "fp32", "--images"), "--format, --images is for a candidate, nas export KEY"),
        ((str(job), "--batch", "0"), "--batch is for a candidate"),
        (
            (compressed.key, "--workers", "2", "--ray-address", "auto"),
            "--workers, --ray-address is for a job, nas export",
        ),
    ):
        said = refusal("export", *options)
        assert message in said or re.search(message, said), said


def test_a_file_or_a_yaml_name_is_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not names_job("ab12")
    (tmp_path / "ab12").mkdir()
    assert not names_job("ab12")
    (tmp_path / "ab12").rmdir()
    (tmp_path / "ab12").touch()
    assert names_job("ab12")
    assert names_job("missing.yaml")


def test_a_file_is_for_the_runtime_on_which_latency_counts() -> None:
    usual, asked = check_section(JOB, Job, "job"), ExportTarget(batch=2)
    assert choose_target(usual, asked) == asked
    openvino = choose_target(check_section(JOB | {"device": {"name": "openvino_cpu"}}, Job, "job"), asked)
    assert (openvino.runtime, openvino.oldest, openvino.batch) == ("openvino", (2025, 0), 2)
