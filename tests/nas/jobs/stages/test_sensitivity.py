"""A given network is compressed by the damage that each policy does to each layer; the damage is measured once."""

from __future__ import annotations

import math
import os
import re
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
from nas.compression.equalization.registry import EQUALIZATIONS
from nas.compression.methods import DEFAULT_METHODS
from nas.compression.repair.recipe import LIGHT, RECIPES
from nas.compression.sensitivity.joint_degradation import PolicyDegradation
from nas.compression.sensitivity.policy_runs import compress_alone
from nas.compression.sensitivity.z_score import ZScore
from nas.compression.tracing.trace import trace
from nas.compression.tracing.traced_file import save_traced
from nas.evaluation.measurement import DataSource, ImageMeasurement
from nas.jobs.files.compression_section import CompressionSection
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.damage_entries import DamageEntries
from nas.jobs.stages.damage_journal import DamageJournal, MeasuredDamage
from nas.jobs.stages.sensitivity import check_sensitivity
from nas.jobs.stages.subject import Subject
from nas.tasks.registry import TASKS
from results.database.results_database import ResultsDatabase
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.joint_space import JointSpace

NETWORK = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))

class Sum(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)

def residual():
    blocks = [Sum(nn.Conv2d(8, 12, 3, 1, 1), nn.ReLU(), nn.Conv2d(12, 8, 3, 1, 1)) for _ in range(2)]
    return nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), *blocks, nn.Flatten(), nn.Linear(128, 10))

def broken():
    net = make()
    net[4].weight.data[0] = float("inf")
    return net
"""
JOB: dict[str, Any] = {
    "name": "small",
    "space": {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w32a32", "w8a8", "w4a8", "w2a8"]},
    "search": {
        "options": {"sensitivity": "output_distortion"},
        "evaluations": 10,
        "objectives": ["accuracy", "weight_bytes"],
    },
    "export": {"count": 1},
}


@pytest.fixture
def folder(bring_network: Callable[..., Path]) -> Path:
    """The current folder, with a module that makes a network, and a job on it."""
    return bring_network(NETWORK, JOB)


def test_damage_is_measured_once_and_believed_while_it_is_whole(folder: Path) -> None:
    first = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert first.exit_code == 0, first.output
    assert "measuring 8 policies of 2 layers, and 13 random ones of all, by output_distortion" in first.output
    assert "to go, by the first measurements" in first.output
    said = r"up to 10 candidates at about [\d.]+ s each, uniform ones at [\d.]+ s: about 0:\d\d:\d\d, besides"
    assert re.search(said, first.output)
    assert "with 13 random policies, after" in first.output
    assert re.search(r"rank correlation -?[\d.]+ with accuracy of \d+ measured candidates", first.output)
    (table,) = folder.glob("runs/small/sensitivity-*/damage.csv")
    damage = pd.read_csv(table)
    assert damage["layer"].tolist() == [0] * 4 + [4] * 4
    assert (damage.loc[damage["policy"] == "w32a32", "damage"] == 0).all()
    assert (damage.loc[damage["policy"] == "w2a8", "damage"] > 0).all()
    assert list(folder.glob("runs/small/export-*/*.onnx"))
    again = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert "measuring" not in again.output
    assert "at about" not in again.output
    assert "with 13 random policies, after" in again.output
    assert "export   done before" in again.output
    table.write_text(table.read_text().replace("w2a8", "w3a8"))
    damaged = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert f"{table.relative_to(folder)} is damaged" in str(damaged.exception)


def test_a_killed_measurement_goes_on_and_any_number_of_workers_gives_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = CliRunner().invoke(app, ["compress", "job.yaml", "--runs", "whole"])
    assert whole.exit_code == 0, whole.output
    added = list[str]()

    def add(journal: DamageJournal, key: str, found: MeasuredDamage) -> None:
        original(journal, key, found)
        added.append(key)
        if len(added) == 5:
            raise OSError("the power went off")

    original = DamageJournal.add
    monkeypatch.setattr(DamageJournal, "add", add)
    killed = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert str(killed.exception) == "the power went off"
    workers = str(min(2, len(os.sched_getaffinity(0))))
    again = CliRunner().invoke(app, ["compress", "job.yaml", "--workers", workers])
    assert again.exit_code == 0, again.output
    assert "by output_distortion, 5 before" in again.output
    assert len(added) == len({*added}) == 6 + 13  # nothing was measured twice
    tables = [next(Path(runs).glob("small/sensitivity-*/damage.csv")).read_text() for runs in ("whole", "runs")]
    assert tables[0] == tables[1]
    assert not list(folder.glob("*/small/sensitivity-*/unfinished.csv"))


@pytest.mark.parametrize("metric", ["fisher", "z_score"])
def test_metrics_that_find_all_damage_at_once_are_timed_by_a_trial(metric: str, folder: Path) -> None:
    job = JOB | {"search": {**JOB["search"], "searcher": "allocation", "options": {"sensitivity": metric}}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job | {"search": job["search"] | {"evaluations": 5}}))
    found = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert found.exit_code == 0, found.output
    assert "by a trial on few samples" in found.output
    assert "with 13 random policies, after" in found.output
    below = f"below an R2 of 0.7 layers do not damage on their own, and {metric} knows no damage of two layers"
    assert (f"{below}: the search goes by measuring" in found.output) == (
        float(re.findall(r"damage   R2 ([\d.]+)", found.output)[0]) < 0.7
    )


def test_random_policies_that_cannot_be_measured_only_do_not_judge(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(measured: PolicyDegradation, policy: CompressionPolicy) -> float:
        return math.nan if policy == failing else original(measured, policy)

    original, failing = PolicyDegradation.__call__, CompressionPolicy((LayerPolicy.parse("w2a8"),) * 2)
    monkeypatch.setattr(PolicyDegradation, "__call__", measure)
    monkeypatch.setattr(DamageEntries, "chosen", np.array([[0, 1], [3, 3], [2, 1], [3, 2]]))
    found = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert found.exit_code == 0, found.output
    assert "1 of 4 random policies could not be measured, and do not judge the table; the first: damage is nan" in (
        found.output
    )
    assert "with 3 random policies, after" in found.output
    assert "measuring" not in CliRunner().invoke(app, ["compress", "job.yaml"]).output


@pytest.mark.parametrize("metric", ["z_score", "output_distortion"])
def test_damage_that_is_no_number_is_refused_before_it_is_a_table(
    metric: str, folder: Path, monkeypatch: pytest.MonkeyPatch, refusal: Callable[..., str]
) -> None:
    job = JOB | {"search": {**JOB["search"], "searcher": "allocation", "options": {"sensitivity": metric}}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    with monkeypatch.context() as broken:
        broken.setattr(ZScore, "damage", lambda *_: (np.zeros(4), np.array([0.0, 0.0, math.nan, 0.0])))
        broken.setattr(PolicyDegradation, "__call__", lambda _, policy: math.nan if policy == alone else 0.0)
        alone = compress_alone(2, 1, LayerPolicy.parse("w4a8"))
        line = refusal("compress", "job.yaml")
    assert f"the damage of w4a8 for layer 4 by {metric} must be a finite number" in line
    assert "damage is nan; leave the policy out by a rule in space.policies_for" in line
    again = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert again.exit_code == 0, again.output


def test_ranks_and_zeros_are_searched_with_bits(folder: Path) -> None:
    known = ["w8a8", "w4a8", "w4a8-rank0.5", "w8a8-rank0.75", "w4a8-sparse0.5", "w2a8-correct0.3"]
    job = JOB | {
        "space": {
            **JOB["space"],
            "policies": known,
            "policies_for": [{"name": "0", "policies": ["w8a8", "w8a8-rank0.3"]}],
        },
        "search": {"evaluations": 12, "objectives": ["accuracy", "weight_bytes", "macs"]},
        "compression": {"factorization": "output_covariance"},
        "export": {"count": 2},
    }
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    found = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert found.exit_code == 0, found.output
    (layers,) = folder.glob("runs/small/export-*/layers.csv")
    assert set(pd.read_csv(layers)["policy"]) <= {*known, "w8a8-rank0.3"}
    (networks,) = folder.glob("runs/small/export-*/networks.csv")
    table = pd.read_csv(networks)
    assert table["macs"].min() < 8 * 16 * 9 + 1280  # which bits alone cannot lower


@pytest.mark.parametrize("searcher", ["allocation", "nsga2"])
def test_widths_are_searched_with_bits_and_ranks(folder: Path, searcher: str) -> None:
    known = ["w8a8", "w4a8", "w8a8-rank0.75"]
    job = JOB | {
        "space": {
            **JOB["space"],
            "policies": known,
            "policies_for": [{"name": "0", "policies": ["w8a8", "w4a8"]}],
            "widths": {"count": 2, "multiple": 4},
        },
        "search": {"searcher": searcher, "evaluations": 10, "objectives": ["accuracy", "weight_bytes", "macs"]},
        "export": {"count": 3},
    }
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    found = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert found.exit_code == 0, found.output
    assert "8 channels in 1 groups, the most important first by surgeon on" in found.output
    if searcher == "allocation":
        (table,) = folder.glob("runs/small/sensitivity-*/damage.csv")
        damage = pd.read_csv(table)
        assert damage["layer"].tolist() == ["0.width"] * 2 + ["0"] * 2 + ["4"] * 3
        assert damage["policy"].tolist()[:2] == ["4", "8"]
        # by definition 0 for all channels, and a squared difference for less of them
        assert damage["damage"][0] > 0 == damage["damage"][1]
    (networks,) = folder.glob("runs/small/export-*/networks.csv")
    exported = pd.read_csv(networks)
    assert exported["macs"].min() < (8 * 16 * 9 + 1280) * 0.6  # by the width; a rank takes no more than a quarter
    again = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert "export   done before" in again.output
    tuned = CliRunner().invoke(app, ["finetune", "job.yaml", exported["key"].tolist()[-1], "--epochs", "0.1"])
    assert tuned.exit_code == 0, tuned.output


@pytest.mark.parametrize(("searcher", "widths"), [("allocation", {"count": 2, "multiple": 4}), ("linas", None)])
def test_blocks_are_searched_with_bits_and_widths(folder: Path, searcher: str, widths: dict[str, int] | None) -> None:
    space = {**JOB["space"], "network": "brought:residual", "policies": ["w8a8", "w4a8"], "blocks": "removable"}
    job = JOB | {
        "space": space | ({"widths": widths} if widths else {}),
        "search": {"searcher": searcher, "evaluations": 12, "objectives": ["accuracy", "weight_bytes", "macs"]},
        "export": {"count": 4},
    }
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    found = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert found.exit_code == 0, found.output
    if searcher == "allocation":
        assert "groups of channels, without 2 blocks in turn, by repaired_divergence" in found.output
        (table,) = folder.glob("runs/small/sensitivity-*/damage.csv")
        damage = pd.read_csv(table, index_col=["layer", "policy"])["damage"]
        for block in ("1.kept", "2.kept"):
            assert damage[block, "0"] > 0 == damage[block, "1"]
    (networks,) = folder.glob("runs/small/export-*/networks.csv")
    exported = pd.read_csv(networks)
    stem, block, head = 8 * 16 * 9, 2 * 12 * 8 * 16 * 9, 1280
    assert exported["macs"].min() < stem + block + head  # which takes both blocks to be out, or narrow
    if widths is None:
        assert set(exported["macs"]) <= {stem + count * block + head for count in range(3)}
    assert "export   done before" in CliRunner().invoke(app, ["compress", "job.yaml"]).output
    smallest = exported.sort_values("macs")["key"].tolist()[0]
    arguments = ["finetune", "job.yaml", smallest, "--epochs", "0.1"]
    for options in ([], [] if widths else ["--feature-distillation", "1"]):
        tuned = CliRunner().invoke(app, [*arguments, *options])
        assert tuned.exit_code == 0, tuned.output
    assert len([*folder.glob("runs/small/finetune-*/fine-tuned-*.onnx")]) == (1 if widths else 2)


@pytest.mark.parametrize("command", ["train", "search", "export"])
def test_what_excludes_widths_is_refused_by_all_commands(
    folder: Path, command: str, refusal: Callable[..., str]
) -> None:
    widths = {**JOB["space"], "widths": {"multiple": 2}}
    search = {**JOB["search"], "searcher": "allocation", "options": {"sensitivity": "fisher"}}
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB | {"space": widths, "search": search}))
    assert "sensitivity metric 'fisher' is in a unit of its own; take output_distortion" in refusal(command, "job.yaml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"space": {**JOB["space"], "widths": {"count": 2, "multiple": 8}}},
            "no group of channels of the network has two or more widths; take more of them",
        ),
        (
            {"space": {**JOB["space"], "blocks": "removable"}},
            "space.blocks leaves out blocks between values of one shape through which all that follows must pass",
        ),
        (
            {"space": {**JOB["space"], "widths": {"count": 0}}},
            "space.widths.count: input should be greater",
        ),
        (
            {"space": {**JOB["space"], "widths": {"importance": "guess"}}},
            "unknown importance 'guess'; known importances",
        ),
        (
            {"space": {"name": "resnet_digits", "policies": ["w8a8"], "widths": {}}},
            "weights, inputs, widths and blocks are those of a given network; leave them out of 'resnet_digits'",
        ),
        (
            {"space": {**JOB["space"], "policies": ["w8a8", "w8a8-2:4"]}},
            "0 cannot take w8a8-2:4, give it other policies by a rule: 2:4 sparsity needs a multiple of 4 input",
        ),
        (
            {"space": {"name": "resnet_digits", "policies": ["w8a8", "w4a8-rank0.5"]}},
            "low rank, corrections, sparsity and groups are for a given network, and 'resnet_digits' is a supernet; "
            "leave out w4a8-rank0.5",
        ),
        (
            {"space": {"name": "resnet_digits", "policies": ["w8a8"]}},
            "nas compress is for a trained network, and the job names none",
        ),
        ({"search": {"objectives": ["accuracy"]}}, "objectives and limits need both, got accuracy"),
        (
            {"search": {"searcher": "allocation", "options": {"sensitivity": "guess"}}},
            "unknown sensitivity metric 'guess'; known sensitivity",
        ),
        (
            {"search": {"searcher": "allocation", "options": {"sensitivity": "arank"}}},
            "this metric orders attentions, and the network has none that is understood; take effective_rank",
        ),
        (
            {"search": {"objectives": ["accuracy", "macro_f1"]}},
            "trades what is measured, such as accuracy, for what is tabulated",
        ),
        (
            {"search": {"objectives": ["accuracy", "weight_bytes"], "limits": {"weight_bytes": 100}}},
            "search.limits.weight_bytes must be 546 or more, as no candidate of this job has less, got 100",
        ),
        (
            {"space": {"network": "brought:broken", "inputs": [1, 8, 8], "policies": ["w8a8"]}},
            "weights must be finite numbers, got others in 4.weight of brought:broken",
        ),
        (
            {"space": {"network": "brought:make", "inputs": [3, 8, 8], "policies": ["w8a8"]}},
            "expected input[2, 3, 8, 8] to have 1 channels",
        ),
    ],
)
def test_what_cannot_be_compressed_is_refused_in_one_line(
    folder: Path, changes: dict[str, Any], words: str, refusal: Callable[..., str]
) -> None:
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB | changes))
    assert words in refusal("compress", "job.yaml")
    assert not list(folder.glob("runs/small/*-*"))


def test_what_is_repaired_is_another_run_than_what_is_not(folder: Path) -> None:
    for repair in ("compress", "run"):
        job = JOB | {"search": {**JOB["search"], "searcher": "allocation", "evaluations": 5}}
        (folder / "job.yaml").write_text(yaml.safe_dump(job))
        assert CliRunner().invoke(app, [repair, "job.yaml"]).exit_code == 0
    assert len(list(folder.glob("runs/small/export-*"))) == 2


def test_a_recipe_that_changed_under_its_name_is_another_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB | {"search": {**JOB["search"], "evaluations": 5}}))
    with monkeypatch.context() as before:
        before.setitem(RECIPES, "light", replace(LIGHT, single_steps=()))
        assert CliRunner().invoke(app, ["compress", "job.yaml"]).exit_code == 0
    assert CliRunner().invoke(app, ["compress", "job.yaml"]).exit_code == 0
    with ResultsDatabase(f"sqlite:///{folder / 'runs' / 'results.db'}") as database:
        measured = database.frame(source="measured")
    assert measured.groupby("run").size().tolist() == [5, 5]


def test_a_search_that_was_begun_before_work_was_weighed_goes_on_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("nas.jobs.stages.measured_search.tabulate_work", lambda _: None)
        assert CliRunner().invoke(app, ["compress", "job.yaml"]).exit_code == 0
    assert "export   done before" in CliRunner().invoke(app, ["compress", "job.yaml"]).output
    assert len(list(folder.glob("runs/small/export-*"))) == 1


def test_supernets_are_not_repaired(folder: Path) -> None:
    job = JOB | {"space": {"name": "resnet_digits", "policies": ["w8a8"]}, "compression": {"repair": "light"}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    refused = CliRunner().invoke(app, ["run", "job.yaml"])
    assert "compression.repair is for a given network, and the job names a space" in str(refused.exception)


def test_a_searcher_that_compresses_needs_a_network(folder: Path) -> None:
    job = JOB | {"space": {"name": "resnet_digits", "policies": ["w8a8"]}, "search": {"searcher": "allocation"}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    refused = CliRunner().invoke(app, ["run", "job.yaml"])
    assert "searcher 'allocation' compresses one network, and measures it; name a space.network" in str(
        refused.exception
    )


def test_linas_begins_with_allocations_by_damage(folder: Path) -> None:
    options = {"sensitivity": "output_divergence", "initial_design": 10}
    job = JOB | {"search": {**JOB["search"], "searcher": "linas", "options": options}}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    found = CliRunner().invoke(app, ["run", "job.yaml"])
    assert found.exit_code == 0, found.output
    assert "random ones of all, by output_divergence" in found.output
    assert re.search(r"rank correlation -?[\d.]+ with accuracy of \d+ measured candidates", found.output)


def test_linas_without_damage_is_the_run_that_it_was(folder: Path) -> None:
    assert "sensitivity" not in SearchSection().describe()["options"]
    named = SearchSection(options={"sensitivity": "fisher"}).describe()["options"]
    assert named == SearchSection().describe()["options"] | {"sensitivity": "fisher"}
    with pytest.raises(ValueError, match="trades damage for what is tabulated, such as weight_bytes"):
        SearchSection(options={"sensitivity": "fisher"}, objectives=["accuracy"])


def test_another_recipe_is_another_table(tmp_path: Path) -> None:
    traced, source = trace(nn.Linear(4, 2), [torch.zeros(2, 4)]), DataSource("digits", limit=100)
    save_traced(tmp_path / "net.safetensors", traced)
    sections = [
        CompressionSection(repair=repair, equalization=equalization)
        for repair in ("light", "full")
        for equalization in (None, *EQUALIZATIONS)
    ]
    space, data = JointSpace(traced.space("small")), source.load()
    measurement = ImageMeasurement(tmp_path / "net.safetensors", space.architectures, source)
    digests = [
        Subject(space, replace(measurement, methods=methods), data).digest
        for methods in [DEFAULT_METHODS, *(section.methods() for section in sections)]
    ]
    assert len({*digests}) == len(digests)


def test_what_a_metric_needs_of_the_task_is_known_before_anything_is_measured() -> None:
    traced = trace(nn.Linear(4, 2), [torch.zeros(2, 4)])
    check_sensitivity("output_distortion", traced, TASKS["regression"])
    with pytest.raises(ValueError, match=r"needs a task whose outputs are logits.* take output_distortion"):
        check_sensitivity("output_divergence", traced, TASKS["regression"])
    check_sensitivity("lim", traced, TASKS["classification"])
    with pytest.raises(ValueError, match=r"orders attentions, and the network has none that is understood"):
        check_sensitivity("arank", traced, TASKS["classification"])
