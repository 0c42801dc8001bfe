"""Rules that sections of a job keep together; rules of one section are tested with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.jobs.files.job import Job, load_job

JOB: dict[str, Any] = {"name": "small", "space": {"name": "resnet_digits", "policies": ["w32a32"]}}


def load(folder: Path, images: str | None = None, **sections: Any) -> Job:
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB | sections))
    return load_job(folder / "job.yaml", images)


def test_defaults_are_the_best_that_was_measured(tmp_path: Path) -> None:
    job = load(tmp_path)
    assert job.fit.predictor == "ensemble"
    assert job.search.searcher == "linas"
    assert job.training.schedule == "single"


def test_other_data_replace_those_of_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, "elsewhere").data.source == "elsewhere"
    assert load(tmp_path).data.source == "digits"


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"search": {"objectives": ["accuracy", "energy_mj"]}}, r"energy_mj needs a device\.table"),
        ({"device": {"batch": 4, "table": "any.parquet"}}, "those of the table"),
        ({"data": {"mean": [0.5]}}, "mean and std are given together"),
        ({"search": {"searcher": "few_shot", "quality": "predicted"}}, "measures the whole space"),
        ({"search": {"searcher": "few_shot"}}, "needs a supernet that is split; take training.schedule: few_shot"),
        ({"search": {"quality": "predicted", "in_flight": 2}}, "in_flight is for a search that measures"),
        ({"search": {"quality": "predicted", "warm_start": False}}, "warm_start is for a search that measures"),
        (
            {"space": JOB["space"] | {"only": {"depth": [1]}}, "search": {"searcher": "few_shot"}},
            "leave out space.only",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(sections: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        load(tmp_path, **sections)
