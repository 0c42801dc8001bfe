"""The law of fronts of `nas compress`: no point is worse than a uniform policy of the same size or smaller."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import yaml
from rich.console import Console
from typer.testing import CliRunner

from nas.cli.main import app
from nas.compression.compress import calibrate
from nas.compression.repair.batch_norm import BatchNormReestimation
from nas.compression.repair.bias_correction import BiasCorrection
from nas.compression.repair.repair import Repair, output_distance, outputs_on
from nas.compression.repair.repair_network import Repairer
from nas.compression.subject import CompressionSubject
from nas.jobs.compress import compressing
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import load_job
from nas.jobs.workspace import Workspace
from search_spaces.compression_policy import CompressionPolicy
from search_spaces.elastic.graph_network import GraphNetwork


def make_all_variants(subject: CompressionSubject, policy: CompressionPolicy) -> list[GraphNetwork]:
    """By the recipe `light`, and of nearest codes, as they are or with one step of repair."""
    steps: list[Repair | None] = [None, BiasCorrection(), BatchNormReestimation()]
    rounded = [subject.compress(policy) for _ in steps]
    for network, step in zip(rounded, steps, strict=True):
        calibrate(network, subject.need_data(), subject.methods.observer)
        if step is not None:
            step.repair(network, subject)
    return [Repairer(subject).fit(policy), *rounded]


def test_no_front_is_worse_than_uniform_policies_with_or_without_repair(bring_network: Callable[..., Path]) -> None:
    """None beats a point of the front, and each was measured as what does best on inputs to which nothing is fitted."""
    space = {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w8a8", "w4a8", "w2a8"]}
    job = {"name": "one", "data": {"source": "digits", "limit": 300}, "space": space, "export": {"count": 1}}
    search = {"evaluations": 6, "objectives": ["accuracy", "weight_bytes"]}
    folder = bring_network(
        "import torch\nfrom torch import nn\n\ndef make():\n    torch.manual_seed(0)\n"
        "    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))\n"
        "    return net.eval()\n",
        job | {"search": search | {"evaluations": 2}},
    )
    short = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert "must be 3 or more, as the 3 uniform policies are measured first, got 2" in str(short.exception)
    (folder / "job.yaml").write_text(yaml.safe_dump(job | {"search": search}))
    ended = CliRunner().invoke(app, ["compress", "job.yaml"])
    assert ended.exit_code == 0, ended.output
    reporter = Reporter(Console(file=io.StringIO(), width=200))
    with Workspace(load_job(Path("job.yaml")), Path("runs"), reporter) as opened, compressing(opened) as workspace:
        runs = {source: set(workspace.database.frame(source=source)["run"]) for source in ("measured", "expected")}
        measured, front = ([*map(workspace.database.evaluations, runs[one])] for one in ("measured", "expected"))
        (found,), (points,) = measured, front
        uniform = [one for one in found if len(set(one.candidate.policy.layers)) == 1]
        assert len(uniform) == 3
        for point, one in product(points, uniform):
            smaller = one.values["weight_bytes"] <= point.values["weight_bytes"]
            assert not smaller or point.values["expected_accuracy"] >= one.values["accuracy"]
        realizer, validation = workspace.subject.realizer(), workspace.data.validation
        for one in uniform:
            subject, policy = realizer.given.subject(one.candidate.architecture), one.candidate.policy
            dealt = subject.need_data().deal(4)
            assert dealt is not None
            expected = outputs_on(subject.traced.network(), dealt[1])
            variants = make_all_variants(replace(subject, data=dealt[0]), policy)
            judged = [
                float(output_distance(expected, outputs_on(network, dealt[1]), subject.task)) for network in variants
            ]
            kept = make_all_variants(subject, policy)[judged.index(min(judged))]
            assert realizer.measure_network(kept, 8, validation)["accuracy"] == one.values["accuracy"]
