"""Where layers do not damage on their own, a job goes by what neighbours damage together, if that tells more."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from nas.cli.main import app
from nas.compression.sensitivity.additivity import MetricQuality
from nas.compression.sensitivity.joint_degradation import PolicyDegradation
from nas.data.sources import DataSource
from nas.evaluation.damage import DamageMeasurement
from nas.jobs.stages.damage_entries import DamageEntries
from nas.jobs.stages.damage_journal import DamageJournal, MeasuredDamage
from nas.jobs.stages.pair_entries import PairEntries
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

# With 2 bits the second weight of `first` and of `second`, which read corners that are always empty, becomes 0. What
# they add grows by 1 then: from -1.5, which is rectified to 0, to -0.5 by one of them, and to 0.5 by both.
NETWORK = """
import torch
from torch import nn

class Coupled(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 1, bias=False), nn.Linear(64, 1, bias=False)
        self.classify = nn.Linear(64, 9)
        slope = -1.0 / (0.3 * {corner})
        for layer in (self.first, self.second):
            layer.weight.data.zero_()
            layer.weight.data[0, 0], layer.weight.data[0, 32] = slope, 0.3 * slope
        self.bias = nn.Parameter(torch.tensor([-1.5 - 2 * 1.3 * slope * {corner}]), requires_grad=False)

    def forward(self, images):
        pixels = images.flatten(1)
        joined = (self.first(pixels) + self.second(pixels) + self.bias).relu()
        return torch.cat([{gain} * joined, self.classify(pixels)], 1)

def make():
    torch.manual_seed(0)
    return Coupled()
"""
JOB: dict[str, Any] = {
    "name": "small",
    "data": {"source": "digits", "limit": 400},
    "space": {"network": "brought:make", "inputs": [1, 8, 8], "policies": ["w32a32", "w2a32"]},
    "search": {
        "searcher": "allocation",
        "options": {"sensitivity": "output_distortion"},
        "evaluations": 6,
        "objectives": ["accuracy", "weight_bytes"],
    },
    "export": {"count": 1},
}


def bring(monkeypatch: pytest.MonkeyPatch, folder: Path, gain: float) -> None:
    """Writes the network, and the job on it, and goes to their folder."""
    data = DataSource("digits", limit=400).load()
    corner = float(data.transform.inputs(data.train.images[:1], 8)[0, 0, 0, 0])
    assert corner < 0
    (folder / "brought.py").write_text(NETWORK.format(corner=corner, gain=gain))
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "brought", raising=False)


def fail_for(monkeypatch: pytest.MonkeyPatch, failing: CompressionPolicy) -> None:
    """Lets the damage of one policy be no number."""
    original = PolicyDegradation.__call__

    def measure(measured: PolicyDegradation, policy: CompressionPolicy) -> float:
        return math.nan if policy == failing else original(measured, policy)

    monkeypatch.setattr(PolicyDegradation, "__call__", measure)


def compress(*options: str) -> str:
    found = CliRunner().invoke(app, ["compress", "job.yaml", *options])
    assert found.exit_code == 0, found.output
    return found.output


def test_two_layers_that_are_harmful_together_only_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, tmp_path, gain=20.0)
    said = compress()
    assert "below an R2 of 0.7 layers do not damage on their own: measuring what a layer and the next" in said
    alone, together = re.findall(r"R2 ([\d.]+) by layers alone, ([\d.]+) with", said)[0]
    assert float(alone) < 0.7
    assert float(together) == 1.0
    assert "together: the search goes by these pair terms, too" in said
    (table,) = tmp_path.glob("runs/small/sensitivity-*/damage.csv")
    assert pd.read_csv(table).set_index(["layer", "policy"])["damage"].loc[["first", "second"]].max() < 1e-9
    (pairs,) = tmp_path.glob("runs/small/pairs-*/pairs.csv")
    found = pd.read_csv(pairs).set_index(["layer", "policy", "next", "next_policy"])["damage"]
    assert found["first", "w2a32", "second", "w2a32"] == pytest.approx(20.0**2 * 0.5**2 / 10, rel=1e-3)
    assert found.drop(("first", "w2a32", "second", "w2a32")).abs().max() < 1e-6
    again = compress()
    assert "measuring" not in again
    assert "these pair terms, too" in again
    assert "export   done before" in again


def test_a_metric_that_fits_layers_measures_no_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, tmp_path, gain=20.0)
    search = JOB["search"] | {"options": {"sensitivity": "repaired_divergence"}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(JOB | {"search": search}))
    monkeypatch.setattr("nas.compression.sensitivity.additivity.LEAST_R2", 1.1)
    said = compress()
    assert "repaired_divergence would fit layers anew 12 times to measure pairs of them: the search goes by" in said
    assert not [*tmp_path.glob("runs/small/pairs-*")]


def test_pair_terms_that_tell_no_more_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, tmp_path, gain=20.0)
    original = PairEntries.tabulate
    monkeypatch.setattr(PairEntries, "tabulate", lambda *known: original(*known)[1:])  # without the pair that counts
    said = compress()
    alone, together = re.findall(r"R2 ([\d.]+) by layers alone, ([\d.]+) with", said)[0]
    assert alone == together
    assert "together: the search goes by measuring, which corrects the table" in said


@pytest.mark.parametrize(("gain", "helps"), [(0.019, False), (0.021, True)])
def test_pair_terms_that_tell_hardly_more_are_left_out(
    gain: float, helps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(*known: Any) -> MetricQuality:
        return MetricQuality("output_distortion", 0.5 + gain * bool(known[-1]), 0.0, 0.0, 0.0)

    bring(monkeypatch, tmp_path, gain=20.0)
    monkeypatch.setattr(PairEntries, "judge", judge)
    assert ("together: the search goes by these pair terms, too" in compress()) == helps


def test_random_policies_that_cannot_be_measured_do_not_judge_and_pairs_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(monkeypatch, tmp_path, gain=20.0)
    fail_for(monkeypatch, CompressionPolicy((LayerPolicy.parse("w2a32"),) * 3))
    said = compress()
    assert re.search(r"1 of \d random policies could not be measured, and do not judge pair terms; the first: ", said)
    assert "together: the search goes by these pair terms, too" in said
    assert "measuring" not in compress()


def test_a_pair_that_cannot_be_measured_stops_the_others_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(monkeypatch, tmp_path, gain=20.0)
    compressed = LayerPolicy.parse("w2a32")
    fail_for(monkeypatch, CompressionPolicy((compressed, compressed, LayerPolicy())))
    monkeypatch.setattr(DamageEntries, "chosen", np.array([[0, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 1]]))
    said = compress()
    assert "damage   w2a32 for layer first with w2a32 for layer second could not be measured (" in said
    assert said.count("the search goes by measuring, which corrects the table") == 1
    (journal,) = tmp_path.glob("runs/small/pairs-*/unfinished.csv")
    assert journal.read_text().count("whole") == 1  # of 4: one tells the time, the others come last


def test_shares_are_those_of_the_samples_that_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    original = DamageMeasurement.__call__
    monkeypatch.setattr(
        DamageMeasurement, "__call__", lambda measured: found.append(measured.samples) or original(measured)
    )
    bring(monkeypatch, tmp_path, gain=20.0)
    compress()
    assert {*found} == {len(DataSource("digits", limit=400).load().train)}


def test_layers_that_damage_on_their_own_are_measured_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, tmp_path, gain=0.0)
    assert "by layers alone" not in compress()
    assert not list(tmp_path.glob("runs/small/pairs-*"))


def test_a_killed_measurement_of_pairs_goes_on_and_any_number_of_workers_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(monkeypatch, tmp_path, gain=20.0)
    compress("--runs", "whole")
    added, original = list[str](), DamageJournal.add

    def add(journal: DamageJournal, key: str, found: MeasuredDamage) -> None:
        original(journal, key, found)
        added.append(key)
        if sum(key.startswith("pair") for key in added) == 1:
            raise OSError("the power went off")

    with monkeypatch.context() as dying:
        dying.setattr(DamageJournal, "add", add)
        assert str(CliRunner().invoke(app, ["compress", "job.yaml"]).exception) == "the power went off"
    assert list(tmp_path.glob("runs/small/pairs-*/unfinished.csv"))
    compress("--workers", str(min(2, len(os.sched_getaffinity(0)))))
    tables = [next(Path(runs).glob("small/pairs-*/pairs.csv")).read_text() for runs in ("whole", "runs")]
    assert tables[0] == tables[1]


def test_a_search_that_was_begun_by_pair_terms_does_not_begin_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Callable[..., str]
) -> None:
    bring(monkeypatch, tmp_path, gain=20.0)
    compress()
    with monkeypatch.context() as without:
        without.setattr("nas.jobs.stages.sensitivity.find_pairs", lambda *_: ())
        line = refusal("compress", "job.yaml")
    assert "the search of job 'small' was begun by pair terms, and there are none now; bring back the folders" in line
    assert "export   done before" in compress()


def test_a_search_that_was_begun_without_pair_terms_goes_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(monkeypatch, tmp_path, gain=20.0)
    with monkeypatch.context() as before:
        before.setattr("nas.jobs.stages.sensitivity.find_pairs", lambda *_: ())
        compress()
    again = compress()
    assert "layers do not damage on their own: the search goes by measuring" in again
    assert "export   done before" in again
