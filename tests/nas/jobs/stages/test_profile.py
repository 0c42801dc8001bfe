"""Tables of a job: measured here, or given; of this machine or of a device that nobody has."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from hardware.calibration.calibration import Calibration
from hardware.calibration.fit_quality import FitQuality
from hardware.device import read_fingerprint
from hardware.tables.pricing import tabulate_prices
from hardware.tables.roofline import Roofline
from hardware.tables.table_file import load_table, save_table
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.device_section import DeviceSection
from nas.jobs.files.job import load_job
from nas.jobs.files.search_section import SearchSection
from nas.jobs.run import profile_job, run_job, search_job
from nas.jobs.stages.profile import find_table, table_of_this_machine
from nas.jobs.stages.table_request import TableRequest
from nas.jobs.workspace import Workspace
from results.database.results_database import ResultsDatabase
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

W32, W8 = LayerPolicy(), LayerPolicy.quantized(8, 8)


def _workspace(job: dict[str, object], folder: Path, runs: Path) -> Workspace:
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    return Workspace(load_job(folder / "job.yaml"), runs, Reporter(Console(file=io.StringIO(), width=200)))


def test_this_machine_is_measured_once(tmp_path: Path) -> None:
    job = {
        "name": "measured",
        "data": {"source": "digits"},
        "space": {"name": "mobilenet_v3_digits", "policies": ["w32a32", "w8a8", "w4a8"]},
        "device": {"calibration_networks": 12},
    }
    workspace = _workspace(job, tmp_path, tmp_path / "runs")
    stored = profile_job(workspace)
    path, table = stored.path, stored.table
    assert load_table(path) == table
    assert table.missing(workspace.space.list_distinct_layers(), [W32, W8]) == []
    assert table.calibration.quality is not None
    assert table.calibration.quality.networks == 12
    prices = tabulate_prices(workspace.space, table)(workspace.space.sample(np.random.default_rng(0), 50).genes)
    assert np.isfinite(prices).all()  # on a busy machine, twelve networks tell little else
    written = path.stat().st_mtime_ns
    job["device"] = {"calibration_networks": 12, "accept_poor_fit": True}  # does not make another table
    assert profile_job(_workspace(job, tmp_path, tmp_path / "runs")).path == path
    assert path.stat().st_mtime_ns == written


def test_an_unfinished_table_that_was_damaged_is_said_with_what_to_do(tmp_path: Path) -> None:
    job = {
        "name": "measured",
        "data": {"source": "digits"},
        "space": {"name": "resnet_digits", "policies": ["w32a32", "w8a8"]},
    }
    workspace = _workspace(job, tmp_path, tmp_path / "runs")
    unfinished = workspace.table_request.path_here().with_name("unfinished.parquet")
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"half a table")
    with pytest.raises(ValueError, match=rf"{unfinished} .*; delete {unfinished} to measure its layers anew"):
        profile_job(workspace)
    assert unfinished.read_bytes() == b"half a table"


def test_one_given_network_is_measured(tmp_path: Path) -> None:
    only = {"resolution": [12], "depth": [1], "kernel": [3], "expand": [2]}
    space = {"name": "mobilenet_v3_digits", "policies": ["w32a32", "w8a8"], "only": only}
    job = {"name": "one", "data": {"source": "digits"}, "space": space, "device": {"calibration_networks": 12}}
    workspace = _workspace(job, tmp_path, tmp_path / "runs")
    table = profile_job(workspace).table
    (architecture,) = {workspace.space.sample(np.random.default_rng(row), 1)[0].architecture for row in range(9)}
    shapes = {layer.unnamed for layer in workspace.trained_space.architectures.layers(architecture)}
    assert {layer for entry in table.entries for layer, _ in entry} == shapes


def test_a_device_that_nobody_has(finished_run: Path, job_file: Path, tmp_path: Path) -> None:
    runs = shutil.copytree(finished_run, tmp_path / "runs")
    job = yaml.safe_load(job_file.read_text())
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace((W32, W8)))
    npu = Roofline("npu", {W32: 10.0, W8: 40.0}, 1.0, 2.0, energy_pj={W32: 4.0, W8: 0.3})
    save_table(npu.table(space.list_distinct_layers()), tmp_path / "npu.parquet")
    job["device"] = {"name": "npu", "table": str(tmp_path / "npu.parquet")}
    job["search"]["objectives"] = ["accuracy", "energy_mj"]
    run_job(_workspace(job, tmp_path, runs))
    assert job["search"]["objectives"] == ["accuracy", "energy_mj"]
    with ResultsDatabase(f"sqlite:///{runs / 'results.db'}") as database:
        expected = database.frame(source="expected")
    expected = expected[expected["device"].str.contains("estimated")]
    assert len(expected)
    assert expected[["expected_accuracy", "accuracy", "energy_mj"]].notna().all(axis=None)
    assert expected["latency_ms"].isna().all()
    networks = _exported_with("predicted_energy_mj", runs)
    table = pd.read_csv(networks)
    assert {"expected_accuracy", "test_accuracy", "predicted_energy_mj"} < set(table.columns)
    assert not [column for column in table if "latency" in column or "bytes" in column]
    assert set(table["role"]) <= {"best accuracy", "lowest energy_mj", "balanced"}
    page = networks.with_name("pareto.html").read_text()
    assert "energy_mj (mJ), less is better" in page
    assert "latency" not in page


def test_limits_need_a_table_that_tells_networks_well(
    finished_run: Path, job_file: Path, synthetic_table: Path, tmp_path: Path
) -> None:
    runs = shutil.copytree(finished_run, tmp_path / "runs")
    job = yaml.safe_load(job_file.read_text())
    poor = Calibration(quality=FitQuality(25.0, 0.3, 0.4, 20))
    save_table(load_table(synthetic_table).with_calibration(poor, {}), tmp_path / "poor.parquet")
    job["device"] = {"table": str(tmp_path / "poor.parquet")}
    job["search"]["limits"] = {"latency_ms": 1.0}
    with pytest.raises(ValueError, match=r"poor.parquet: the calibration explains 0.400 .* or set device.accept_poor"):
        run_job(_workspace(job, tmp_path, runs))
    job["device"]["accept_poor_fit"] = True
    assert (search_job(_workspace(job, tmp_path, runs)).table["latency_ms"] <= 1.0).all()


def test_files_are_not_timed_for_a_table_of_another_machine(
    workspace: Callable[..., Workspace], synthetic_table: Path, tmp_path: Path
) -> None:
    here = workspace(tmp_path / "runs")
    assert table_of_this_machine(here.table_request) == load_table(synthetic_table)
    elsewhere = replace(load_table(synthetic_table), fingerprint={**read_fingerprint(), "cpu": "pi5"})
    save_table(elsewhere, tmp_path / "pi5.parquet")
    device = here.job.device.model_copy(update={"table": str(tmp_path / "pi5.parquet")})
    assert table_of_this_machine(replace(here.table_request, device=device)) is None


def test_threads_and_batch_are_part_of_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = {
        "name": "small",
        "space": {"name": "resnet_digits", "policies": ["w32a32"]},
        "device": {"threads": 2, "batch": 4},
    }
    monkeypatch.setattr("hardware.device.read_usable_cpus", lambda: 2.0)
    table = table_of_this_machine(_workspace(job, tmp_path, tmp_path / "runs").table_request)
    assert table is not None
    assert (table.device.threads, table.device.batch) == (2, 4)
    assert table.location == "onnxruntime_cpu, threads 2, batch 4"


def small_job(folder: Path, **device: object) -> Workspace:
    space = {"name": "resnet_digits", "policies": ["w32a32"]}
    return _workspace({"name": "small", "space": space, "device": device}, folder, folder / "runs")


@pytest.mark.parametrize("stage", [run_job, profile_job])
def test_more_threads_than_usable_cpus_are_refused_before_anything_runs(
    stage: Callable[[Workspace], object], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"device.threads is 4096, but .* are usable .*; take \d+ or fewer"):
        stage(small_job(tmp_path, threads=4096))
    assert not list(tmp_path.glob("runs/*/*"))


def test_a_table_is_for_the_usable_cpus_that_it_was_measured_with(tmp_path: Path) -> None:
    request = small_job(tmp_path).table_request
    machine = read_fingerprint()
    assert request.path(machine) != request.path({**machine, "usable_cpus": "1.5"})
    old = request.path({name: value for name, value in machine.items() if name != "usable_cpus"})
    old.parent.mkdir(parents=True)
    old.touch()
    with pytest.raises(ValueError, match=f"{old} does not say how many CPUs were usable .* name it as device.table"):
        find_table(request, Reporter(Console(file=io.StringIO())))


@pytest.mark.parametrize(("known", "was"), [({"usable_cpus": "64"}, "64"), ({}, "an unknown number of")])
def test_a_given_table_of_other_usable_cpus_is_said_and_times_nothing(
    known: dict[str, str], was: str, workspace: Callable[..., Workspace], synthetic_table: Path, tmp_path: Path
) -> None:
    here, said = workspace(tmp_path / "runs"), io.StringIO()
    machine = {name: value for name, value in read_fingerprint().items() if name != "usable_cpus"} | known
    save_table(replace(load_table(synthetic_table), fingerprint=machine), tmp_path / "other.parquet")
    device = here.job.device.model_copy(update={"table": str(tmp_path / "other.parquet")})
    request = replace(here.table_request, device=device)
    find_table(request, Reporter(Console(file=said)))
    assert f"measured on this machine with {was} usable CPUs" in said.getvalue()
    assert table_of_this_machine(request) is None


def test_a_given_table_is_not_measured_on_a_node(workspace: Callable[..., Workspace], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"device.table of the job is"):
        profile_job(workspace(tmp_path), "pi5")


def test_a_search_without_latency_needs_no_table(job_file: Path, finished_run: Path, tmp_path: Path) -> None:
    runs = shutil.copytree(finished_run, tmp_path / "runs")
    job = yaml.safe_load(job_file.read_text())
    job["device"] = {"name": "onnxruntime_cpu"}  # of which nothing is measured
    job["search"] |= {"objectives": ["accuracy", "macs"]}
    workspace = _workspace(job, tmp_path, runs)
    run_job(workspace)
    assert not list(runs.glob("small/profile-*"))
    networks = _exported_with("macs", runs)
    assert pd.read_csv(networks)["macs"].gt(0).all()
    assert "macs (count), less is better" in networks.with_name("pareto.html").read_text()
    job["search"]["limits"] = {"latency_ms": 1.0}
    with pytest.raises(ValueError, match="searches by latency_ms, so it needs a latency table; make it with"):
        search_job(_workspace(job, tmp_path, runs))


def _exported_with(column: str, runs: Path) -> Path:
    """The table of exported networks that has a column."""
    (networks,) = (path for path in runs.glob("small/export-*/networks.csv") if column in path.read_text())
    return networks


def test_what_the_error_of_a_table_leaves_out_is_said(tmp_path: Path) -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(["w8a8", "w8a8-rank0.8"]))
    save_table(
        Roofline("npu", {W32: 10.0, W8: 40.0}, 1.0, 2.0).table(space.list_distinct_layers()), tmp_path / "npu.parquet"
    )
    device = DeviceSection(name="npu", table=str(tmp_path / "npu.parquet"))
    request = TableRequest(device, SearchSection(objectives=["accuracy", "latency_ms"]), space, None, {}, tmp_path)
    said = io.StringIO()
    find_table(request, Reporter(Console(file=said, width=200)))
    told = "latency at w8a8-rank0.8 is that of all layers in its place; the error of tables is of networks without"
    assert told in said.getvalue()
