"""A search of a supernet goes by the damage of policies to the layers of its largest network."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from nas.compression.tracing.traced_file import load_traced
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import load_job
from nas.jobs.run import search_job
from nas.jobs.stages.supernet_damage import find_supernet_damage
from nas.jobs.workspace import Workspace
from nas.search.searchers.linas import Linas

OPTIONS = {"sensitivity": "output_divergence", "initial_design": 6, "inner_evaluations": 1000}


def search(folder: Path, job_file: Path, options: dict[str, object]) -> tuple[str, list[str]]:
    """What a search that begins with allocated policies says, and the keys of its front."""
    section = {
        "searcher": "linas",
        "evaluations": 8,
        "verify": 5,
        "warm_start": False,
        "options": options,
        "objectives": ["accuracy", "macs"],
    }
    changed, said = folder / "changed.yaml", io.StringIO()
    changed.write_text(yaml.safe_dump(yaml.safe_load(job_file.read_text()) | {"search": section}))
    with Workspace(load_job(changed), folder / "runs", Reporter(Console(file=said, width=200))) as workspace:
        outcome = search_job(workspace)
        assert len(outcome.points) == 8
        slots = [slot.name for slot in workspace.space.architectures.slots]
    tables = [pd.read_csv(path) for path in folder.glob("runs/small/sensitivity-*/damage.csv")]
    assert len(tables) == 1 + int(str(options.get("own_tables", 0)))
    assert max(len(table["layer"].unique()) for table in tables) == len(slots)
    assert all((table.loc[table["policy"] == "w32a32", "damage"] == 0).all() for table in tables)
    return said.getvalue(), [candidate.key for candidate in outcome.front.population.candidates]


@pytest.mark.parametrize(("options", "tables"), [({}, 1), ({"own_tables": 2}, 3)], ids=["largest", "own_tables"])
def test_damage_is_measured_once_in_each_network_that_has_a_table(
    job_file: Path, finished_run: Path, tmp_path: Path, options: dict[str, int], tables: int
) -> None:
    shutil.copytree(finished_run, tmp_path / "runs")
    said, front = search(tmp_path, job_file, OPTIONS | options)
    assert said.count("of the supernet:") == tables
    assert "random ones of all, by output_divergence" in said
    again, same = search(tmp_path, job_file, OPTIONS | options)
    assert "measuring" not in again
    assert same == front


def test_damage_of_a_small_network_is_that_of_its_own_layers(
    job_file: Path, finished_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished_run, tmp_path / "runs")
    with Workspace(load_job(job_file), tmp_path / "runs", Reporter(Console(file=io.StringIO()))) as workspace:
        subject, execution = workspace.subject, workspace.execution
        space = subject.space
        smallest = space.architectures.decode(np.zeros(len(space.architectures.choices), dtype=np.int16))
        found = find_supernet_damage("output_divergence", smallest, subject, execution)
        layers = space.architectures.layers(smallest)
        (stored,) = tmp_path.glob("runs/small/candidate-*/candidate-*.safetensors")
    traced = load_traced(stored).space("smallest")
    assert [layer.macs for layer in traced.layers(traced.largest())] == [layer.macs for layer in layers]
    there = {layer.name for layer in layers}
    assert len(there) < len(found)
    for slot, known, policies in zip(space.architectures.slots, found, space.slot_policies, strict=True):
        assert known.shape == (len(policies),)
        assert known.any() == (slot.name in there)


def test_own_tables_need_a_metric_and_a_supernet(job_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="own_tables are measured by the metric sensitivity, got 2 and no metric"):
        Linas(own_tables=2)
    changed = {
        "space": {"network": "module:make", "inputs": [1, 8, 8], "policies": ["w8a8", "w4a8"]},
        "search": {"options": OPTIONS | {"own_tables": 2}},
    }
    document = yaml.safe_load(job_file.read_text()) | changed
    del document["training"]
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(ValueError, match="own_tables are of architectures of a supernet"):
        load_job(tmp_path / "job.yaml")


def test_predictions_know_no_damage(job_file: Path, tmp_path: Path) -> None:
    section = {"quality": "predicted", "options": {"sensitivity": "fisher"}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(yaml.safe_load(job_file.read_text()) | {"search": section}))
    with pytest.raises(ValueError, match="searcher 'linas' measures where it goes by a sensitivity metric"):
        load_job(tmp_path / "job.yaml")
