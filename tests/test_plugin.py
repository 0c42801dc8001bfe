"""A package of its own extends the engine: it is installed, and a job uses everything that it adds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from hardware.usable_cpus import count_usable_threads, read_usable_cpus

PLUGIN = Path(__file__).parents[1] / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process for which the package is installed by pip."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(PLUGIN, folder / "source")  # where it is built leaves traces
    site = folder / "site"
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", str(site), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *inherited])}


def nas(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nas.cli.main", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def test_a_job_uses_a_space_searcher_predictor_quantizer_and_metric_of_the_package(
    installed: dict[str, str], tmp_path: Path
) -> None:
    job = yaml.safe_load((PLUGIN / "job.yaml").read_text())
    workers = min(2, count_usable_threads(read_usable_cpus()))
    found = nas(installed, tmp_path, "run", str(PLUGIN / "job.yaml"), "--workers", str(workers))
    assert found.returncode == 0, found.stderr
    assert "balanced_accuracy by nearest" in found.stdout
    (exported,) = tmp_path.glob("runs/plugin/export-*")
    networks = pd.read_csv(exported / "networks.csv")
    assert len(networks) == 2
    assert set(networks["role"]) <= {"best balanced_accuracy", "balanced", "lowest macs", "lowest weight_bytes"}
    columns = {"predicted_balanced_accuracy", "measured_balanced_accuracy", "test_balanced_accuracy", "macs"}
    assert columns < set(networks.columns)
    assert not [column for column in networks if "latency" in column]
    assert "balanced_accuracy (%), more is better" in (exported / "pareto.html").read_text()
    shown = nas(installed, tmp_path, "results", "pareto", "--job", job["name"])
    assert "expected_balanced_accuracy" in shown.stdout, shown.stderr


def test_the_predictor_of_the_package_keeps_the_contract_of_all_predictors(installed: dict[str, str]) -> None:
    root = Path(__file__).parents[1]
    contract = str(root / "tests" / "predictors" / "test_predictor.py")
    options = ["-q", "-k", "nearest", "-p", "no:cacheprovider"]
    environment = {**installed, "PYTHONPATH": os.pathsep.join([installed["PYTHONPATH"], str(root)])}
    command = [sys.executable, "-m", "pytest", *options, contract]
    found = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_without_the_package_its_names_are_unknown(tmp_path: Path) -> None:
    found = nas(dict(os.environ), tmp_path, "run", str(PLUGIN / "job.yaml"))
    assert found.returncode == 2
    assert "unknown space 'plain'; known spaces: mobilenet_v3_imagenet" in found.stderr
