"""A search of a supernet goes by the damage of policies to the layers of its largest network."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console

from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import load_job
from nas.jobs.run import search_job
from nas.jobs.workspace import Workspace


def search(folder: Path, job_file: Path) -> tuple[str, list[str]]:
    """What a search that begins with allocated policies says, and the keys of its front."""
    options = {"sensitivity": "output_divergence", "initial_design": 6, "inner_evaluations": 1000}
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
    (table,) = folder.glob("runs/small/sensitivity-*/damage.csv")
    damage = pd.read_csv(table)
    assert len(damage["layer"].unique()) == len(slots)
    assert (damage.loc[damage["policy"] == "w32a32", "damage"] == 0).all()
    return said.getvalue(), [candidate.key for candidate in outcome.front.population.candidates]


def test_damage_is_that_of_the_largest_network_and_measured_once(
    job_file: Path, finished_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished_run, tmp_path / "runs")
    said, front = search(tmp_path, job_file)
    assert "of the supernet:" in said
    assert "random ones of all, by output_divergence" in said
    again, same = search(tmp_path, job_file)
    assert "measuring" not in again
    assert same == front


def test_predictions_know_no_damage(job_file: Path, tmp_path: Path) -> None:
    section = {"quality": "predicted", "options": {"sensitivity": "fisher"}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(yaml.safe_load(job_file.read_text()) | {"search": section}))
    with pytest.raises(ValueError, match="searcher 'linas' measures where it goes by a sensitivity metric"):
        load_job(tmp_path / "job.yaml")
