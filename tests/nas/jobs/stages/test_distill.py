"""A given network is calibrated, judged and repaired by images that are distilled from it, where the job says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch import nn
from typer.testing import CliRunner

from nas.cli.main import app
from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.data_free.distillation import distill_data
from nas.compression.data_free.input_file import load_inputs, save_inputs
from nas.compression.integer_biases import round_biases
from nas.compression.methods import CompressionMethods
from nas.compression.observers.registry import OBSERVERS
from nas.compression.pruning.registry import IMPORTANCES
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from nas.compression.tracing.traced_file import load_traced, save_traced
from nas.data.sources import DataSource
from nas.evaluation.measurement import ImageMeasurement
from nas.evaluation.realize import CandidateRealizer, one_thread
from nas.export.onnx_model import open_session, run_session
from nas.jobs.files.compression_section import CompressionSection
from nas.jobs.stages.distill import DISTILLATION, HELD_OUT
from nas.jobs.stages.subject import Subject
from nas.tasks.registry import TASKS
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.joint_space import JointSpace

NETWORK = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))

def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

def steep():
    net = make()
    net[0].weight.data *= 1e30  # whose squares are infinite
    return net
"""
JOB: dict[str, Any] = {
    "name": "small",
    "data": {"source": "digits"},
    "space": {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w32a32", "w8a8", "w2a8"]},
    "search": {
        "options": {"sensitivity": "output_distortion"},
        "evaluations": 6,
        "objectives": ["accuracy", "weight_bytes"],
    },
    "compression": {"calibration": "data_free"},
    "export": {"count": 1},
}


@pytest.fixture
def folder(bring_network: Callable[..., Path]) -> Path:
    """The current folder, with a module that makes networks, and a job on one of them."""
    return bring_network(NETWORK, JOB)


def test_damage_and_ranges_are_those_of_distilled_images(folder: Path) -> None:
    found = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert found.exit_code == 0, found.output
    assert f"distil   {DISTILLATION.images} images in" in found.output
    assert list(folder.glob("runs/small/export-*/*.onnx"))
    traced = load_traced(next(folder.glob("runs/small/network-*/network.safetensors")))
    distilled = load_inputs(next(folder.glob("runs/small/distilled-*/inputs.safetensors")))
    policies = [LayerPolicy.parse(text) for text in JOB["space"]["policies"]]
    with one_thread():  # sums of several threads have another order
        assert torch.equal(distilled, distill_data(traced, DISTILLATION).inputs)
    data, task = CalibrationData(distilled), TASKS["classification"]
    methods = CompressionMethods(OBSERVERS["mse"]())  # as `nas compress` has them
    subject = CompressionSubject.uniform_choices(traced, policies, data, methods, task)
    expected = SENSITIVITY_METRICS["output_distortion"]().damage(subject)
    table = pd.read_csv(next(folder.glob("runs/small/sensitivity-*/damage.csv")))
    assert table["damage"].tolist() == pytest.approx([value for row in expected for value in row], rel=1e-3)

    candidate = JointSpace(traced.space("small")).largest()
    policy = CompressionPolicy((LayerPolicy.parse("w8a8"),) * 2)
    realizer = CandidateRealizer(traced, DataSource("digits", limit=100).load(), methods, distilled)
    network = realizer.realize(replace(candidate, policy=policy))
    with one_thread():
        by_hand = subject.compress(policy)
        by_hand.keep_rounded_weights()
        calibrate(by_hand, [distilled], subject.methods.observer)
        round_biases(by_hand)
        assert (network(distilled) == by_hand(distilled)).all()


def test_channels_are_ranked_by_distilled_images(folder: Path) -> None:
    widths = {"space": {**JOB["space"], "policies": ["w8a8"], "widths": {"count": 2, "multiple": 2}}}
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB | widths))
    found = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert found.exit_code == 0, found.output
    assert f"the most important first by surgeon on {DISTILLATION.images} distilled inputs" in found.output
    traced = load_traced(next(folder.glob("runs/small/network-*/network.safetensors")))
    data = CalibrationData(load_inputs(next(folder.glob("runs/small/distilled-*/inputs.safetensors"))))
    subject = CompressionSubject.uniform_choices(traced, [LayerPolicy()], data)
    with one_thread():
        scores = IMPORTANCES["surgeon"]().score(subject, CoupledChannels.from_graph(traced.graph))
    assert (np.diff(scores) <= 0).all()
    narrow = pd.read_csv(next(folder.glob("runs/small/sensitivity-*/damage.csv")))
    assert narrow["damage"][0] > 0 == narrow["damage"][1]  # of half of the channels, and of all

    again = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert "distil   done before" in again.output
    assert "export   done before" in again.output
    shutil.rmtree(next(folder.glob("runs/small/distilled-*")))
    key = str(pd.read_csv(next(folder.glob("runs/small/export-*/networks.csv")), dtype=str)["key"][0])
    refused = str(CliRunner().invoke(app, ["finetune", "job.yaml", key]).exception)
    assert "needs images distilled from its network; distil them with: nas train JOB" in refused
    assert "inputs.safetensors" in refused


def test_without_data_other_distilled_images_tell_how_good_candidates_are(
    folder: Path, refusal: Callable[..., str]
) -> None:
    job = {key: section for key, section in JOB.items() if key != "data"}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    assert "accuracy needs labels, and this job has none" in refusal("compress", "job.yaml")
    assert not list(folder.glob("runs/*"))
    search = {"evaluations": 6, "objectives": ["top1_agreement", "weight_bytes"], "limits": {"output_divergence": 2.0}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job | {"search": search}))
    assert "fine-tuning needs training samples" in refusal("compress", "job.yaml", "--preset", "finetune")
    found = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert found.exit_code == 0, found.output
    assert f"candidates are compared with its outputs on {HELD_OUT.images * 2 // 3} distilled images" in found.output
    traced = load_traced(next(folder.glob("runs/small/network-*/network.safetensors")))
    held_out = load_inputs(next(folder.glob("runs/small/held-out-*/inputs.safetensors")))
    calibrating = load_inputs(next(folder.glob("runs/small/distilled-*/inputs.safetensors")))
    assert not (held_out[: len(calibrating)] == calibrating).flatten(1).all(1).any()
    judged = held_out[: HELD_OUT.images * 2 // 3]
    (file,) = folder.glob("runs/small/export-*/networks.csv")
    (row,) = pd.read_csv(file).to_dict("records")
    session = open_session(Path(file.parent / row["file"]).read_bytes())
    with torch.no_grad():
        expected = traced.network()(judged).argmax(1)
    agreeing = (torch.from_numpy(run_session(session, judged.numpy())).argmax(1) == expected).double().mean()
    assert row["measured_top1_agreement"] == pytest.approx(100 * float(agreeing), abs=1.0)
    assert row["expected_top1_agreement_std"] > 0
    assert "this job has no data" in refusal("data", "job.yaml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"space": {**JOB["space"], "network": "brought:plain"}},
            "compression.calibration: data_free distils images from the network, and",
        ),
        (
            {"search": {**JOB["search"], "searcher": "allocation", "options": {"sensitivity": "measured_loss"}}},
            "this needs labels and a task, and the subject has not both",
        ),
        (
            {"space": {"name": "resnet_digits", "policies": ["w8a8"]}},
            "compression.calibration is for a given network, and the job names a space; leave it out",
        ),
        (
            {"compression": {"calibration": "none"}},
            "compression.calibration",
        ),
    ],
)
def test_what_cannot_be_distilled_is_refused_in_one_line(
    folder: Path, changes: dict[str, Any], words: str, refusal: Callable[..., str]
) -> None:
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB | changes))
    assert words in refusal("compress", "job.yaml")
    assert not list(folder.glob("runs/small/*-*"))


def test_images_that_are_no_numbers_are_refused_and_not_stored(folder: Path, refusal: Callable[..., str]) -> None:
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB | {"space": {**JOB["space"], "network": "brought:steep"}}))
    line = refusal("compress", "job.yaml")
    assert "those that are distilled from it became NaN or infinite; give calibration data" in line
    assert "compression.calibration: training takes those of data" in line
    assert not list(folder.glob("runs/small/distilled-*/*.safetensors"))


def test_other_distilled_images_are_another_run(tmp_path: Path) -> None:
    traced, source = trace(nn.Linear(4, 2), [torch.zeros(2, 4)]), DataSource("digits", limit=100)
    save_traced(tmp_path / "net.safetensors", traced)
    space, data = JointSpace(traced.space("small")), source.load()
    measurement = ImageMeasurement(tmp_path / "net.safetensors", space.architectures, source)
    assert "distilled" not in Subject(space, measurement, data).inputs
    found = []
    for value in (0.0, 1.0):
        path = tmp_path / f"{value}.safetensors"
        save_inputs(path, torch.full((2, 4), value))
        found.append(Subject(space, replace(measurement, distilled=path), data).inputs["distilled"])
    assert found[0] != found[1]


def test_runs_by_training_images_keep_their_names() -> None:
    assert "calibration" not in CompressionSection(repair="light").described()
    assert CompressionSection(calibration="data_free").described()["calibration"] == "data_free"
