"""A job of each task, from labels as they are stored to files that give what users read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from nas.cli.main import app
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import load_job
from nas.jobs.workspace import Workspace
from results.database.results_database import ResultsDatabase

# Made of digits: which are odd, large or round; how much ink they have, and how far to the right it is; their numbers.
MODULE = """
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

images, numbers = load_digits(return_X_y=True)
images, numbers = images[:600].reshape(-1, 8, 8), numbers[:600]


class Digits(torch.utils.data.Dataset):
    def __init__(self, targets):
        self.targets = targets

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, row):
        return torch.from_numpy(images[row]).float()[None] / 16, self.targets[row]


def properties():
    named = {"odd": numbers % 2 == 1, "large": numbers > 4, "round": np.isin(numbers, [0, 6, 8, 9])}
    return Digits([[name for name, there in named.items() if there[row]] for row in range(600)])


def ink():
    total = images.sum((1, 2))
    return Digits([[1e4 + 50 * a, b] for a, b in zip(total, (images * np.arange(8)).sum((1, 2)) / total)])


def classes():
    return Digits(numbers.tolist())


def hits(outputs, labels):
    return 100.0 * ((outputs > 0) == (labels > 0.5)).float().mean()


def worst_error(outputs, labels):
    assert outputs.shape == labels.shape
    return (outputs - labels).abs().max()


def focal(outputs, labels):
    log = F.log_softmax(outputs, 1)[torch.arange(len(labels)), labels]
    return (-((1 - log.exp()) ** 2) * log).mean()


def misses(outputs, labels):
    return int((outputs.argmax(1) != labels).sum())
"""
TRAINING = {"schedule": "sandwich", "epochs": 1, "batch_size": 40, "learning_rate": 0.05}
JOB: dict[str, Any] = {
    "space": {"name": "mobilenet_v3_digits", "policies": ["w32a32", "w8a8"]},
    "training": TRAINING,
    "export": {"count": 1},
}
HITS = {"function": "of_digits:hits", "maximize": True, "unit": "%"}
WORST = {"function": "of_digits:worst_error", "maximize": False, "unit": "ink"}
MISSES = {"function": "of_digits:misses", "maximize": False}

Run = Callable[..., tuple[pd.DataFrame, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Carries a job out by its command; gives the table of its networks, and what it said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "of_digits.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)

    def run(task: Any, dataset: str, objectives: list[str], **sections: Any) -> tuple[pd.DataFrame, str]:
        search = {"objectives": [*objectives, "weight_bytes"], "evaluations": 3, **sections.pop("search", {})}
        job = {**JOB, "name": "small", "task": task, "data": {"dataset": f"of_digits:{dataset}"}, "search": search}
        (tmp_path / "job.yaml").write_text(yaml.safe_dump(job | sections))
        found = CliRunner().invoke(app, ["run", "job.yaml", "--runs", "runs"])
        assert found.exit_code == 0, found.output
        (table,) = tmp_path.glob("runs/small/export-*/networks.csv")
        return pd.read_csv(table), found.output

    return run


def outputs_of(folder: Path, networks: pd.DataFrame) -> list[np.ndarray[Any, Any]]:
    """What the exported files give for the test images."""
    work = Workspace(load_job(folder / "job.yaml"), folder / "runs", Reporter(Console(quiet=True)))
    data, found = work.data, []
    (export,) = folder.glob("runs/small/export-*")
    for file in networks["file"]:
        session = onnxruntime.InferenceSession(export / file, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        inputs = data.normalization.inputs(data.test.images, given.shape[-1]).numpy()
        found.append(session.run(None, {given.name: np.ascontiguousarray(inputs)})[0])
    return found


def test_labels_of_which_a_sample_has_several(run: Run, tmp_path: Path) -> None:
    task = {"name": "multi_label", "metrics": {"hits": HITS}}
    training = TRAINING | {"class_weights": {"round": 2.0}, "augmentation": ["shift", "cutmix"]}
    networks, said = run(task, "properties", ["mean_average_precision", "hits"], training=training)
    assert "mean_average_precision largest" in said
    assert networks["expected_mean_average_precision"].between(0, 100).all()
    work = Workspace(load_job(tmp_path / "job.yaml"), tmp_path / "runs", Reporter(Console(quiet=True)))
    assert work.data.names == ("large", "odd", "round")
    for row, outputs in zip(networks.itertuples(), outputs_of(tmp_path, networks), strict=True):
        assert outputs.shape == (120, 3)
        right = (outputs > 0) == (work.data.test.labels.numpy() > 0)
        assert row.test_hits == pytest.approx(100 * right.mean(), abs=1e-4)


def test_exported_networks_give_numbers_in_their_own_unit(run: Run, tmp_path: Path) -> None:
    task = {"name": "regression", "metrics": {"worst_error": WORST}}
    networks, said = run(
        task, "ink", ["mean_absolute_error", "worst_error", "r2"], training=TRAINING | {"augmentation": ["mixup"]}
    )
    assert "mean_absolute_error largest" in said
    data = Workspace(load_job(tmp_path / "job.yaml"), tmp_path / "runs", Reporter(Console(quiet=True))).data
    for row, outputs in zip(networks.itertuples(), outputs_of(tmp_path, networks), strict=True):
        errors = np.abs(outputs - data.test.labels.numpy())
        assert row.test_mean_absolute_error == pytest.approx(errors.mean(), rel=1e-3)
        assert row.test_worst_error == pytest.approx(errors.max(), rel=1e-3)
        # labels of 25,000 and of 3: networks of one epoch know their means, as these are not learnt
        assert np.abs(outputs.mean(0) / data.train.labels.numpy().mean(0) - 1).max() < 0.5


def test_cutmix_of_numbers_is_refused_before_anything_runs(run: Run, tmp_path: Path) -> None:
    training = TRAINING | {"augmentation": ["cutmix"]}
    with pytest.raises(AssertionError, match=r"augmentation cutmix is for labels that count by the area"):
        run("regression", "ink", ["mean_absolute_error"], training=training)
    assert not list(tmp_path.glob("runs/small/t*"))


def test_a_loss_and_metrics_of_ones_own(run: Run, tmp_path: Path) -> None:
    task = {"loss": "of_digits:focal", "metrics": {"misses": MISSES}}
    networks, said = run(task, "classes", ["misses"], search={"limits": {"misses": 119.0}})
    assert "misses largest" in said
    assert (networks["measured_misses"] <= 119).all()
    for row, outputs in zip(networks.itertuples(), outputs_of(tmp_path, networks), strict=True):
        assert outputs.shape == (120, 10)
        assert row.test_misses == int(row.test_misses) <= 120
    # those who read the results know the metric without its code
    (tmp_path / "of_digits.py").unlink()
    with ResultsDatabase("sqlite:///runs/results.db", read_only=True) as database:
        assert (database.metrics["misses"].maximize, database.metrics["expected_misses"].unit) == (False, "")
    asked = ["results", "pareto", "--runs", "runs", "--metrics", "expected_misses,weight_bytes"]
    shown = CliRunner().invoke(app, [*asked, "--limit", "misses=119"])
    assert shown.exit_code == 0, shown.output
    assert "expected_misses" in shown.output
