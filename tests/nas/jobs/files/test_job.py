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


def test_objectives_that_are_not_named_are_those_of_the_task(tmp_path: Path) -> None:
    """What is looked up is the same for all."""
    others = load(tmp_path).search.objectives[1:]
    metric = {"function": "mine:ink", "maximize": False}
    for task, headline in (
        ("classification", "accuracy"),
        ("multi_label", "mean_average_precision"),
        ({"name": "regression", "metrics": {"ink": metric}}, "mean_absolute_error"),
        ({"loss": "mine:loss", "metrics": {"ink": metric}}, "ink"),
    ):
        job = load(tmp_path, task=task, search={"evaluations": 20})
        assert job.search.objectives == [headline, *others]
        assert [one.metric.name for one in job.measured_metrics] == [headline]
        assert load(tmp_path, task=task, search={"objectives": [headline]}).search.objectives == [headline]
    load(tmp_path, task="multi_label", training={"schedule": "todm", "label_smoothing": 0.0})


def test_class_weights_are_a_value_of_the_settings(tmp_path: Path) -> None:
    for stated, found in (("balanced", "balanced"), ([1, 2.5], (1, 2.5)), ({"a": 2}, (("a", 2),)), (None, None)):
        training = load(tmp_path, training={"class_weights": stated}).training
        assert training.settings().class_weights == found
        assert ("class_weights" in training.described()) == (stated is not None)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"search": {"objectives": ["accuracy", "energy_mj"]}}, r"energy_mj needs a device\.table"),
        ({"device": {"batch": 4, "table": "any.parquet"}}, "those of the table"),
        ({"data": {"mean": [0.5]}}, "mean and std are given together"),
        ({"data": {"source": "photos", "dataset": "mine:make"}}, "source names files and dataset a function"),
        ({"data": {"tokenizer": "t.json", "channels": 1}}, "channels are of images; leave them out"),
        ({"data": {"length": 9}}, "length are of texts, which need data.tokenizer; leave them out"),
        (
            {"data": {"tokenizer": "t.json"}},
            "data.tokenizer reads texts, and spaces are of images; name a space.network",
        ),
        ({"space": {"network": "a:b", "inputs": [9], "policies": ["w8a8"]}}, "must be those of an image"),
        (
            {
                "data": {"tokenizer": "t.json", "length": 9},
                "space": {"network": "a:b", "inputs": [3, 8, 8], "policies": ["w8a8"]},
            },
            r"space.inputs must be the 9 tokens of a text, \[9\], got \[3, 8, 8\]",
        ),
        ({"search": {"searcher": "few_shot", "quality": "predicted"}}, "measures the whole space"),
        ({"search": {"searcher": "few_shot"}}, "needs a supernet that is split; take training.schedule: few_shot"),
        ({"search": {"quality": "predicted", "in_flight": 2}}, "in_flight is for a search that measures"),
        ({"search": {"quality": "predicted", "warm_start": False}}, "warm_start is for a search that measures"),
        (
            {"space": JOB["space"] | {"only": {"depth": [1]}}, "search": {"searcher": "few_shot"}},
            "leave out space.only",
        ),
        ({"task": "regression", "training": {"label_smoothing": 0.1}}, "label_smoothing has no meaning for task regr"),
        (
            {"task": "multi_label", "training": {"label_smoothing": 0.1}},
            "label_smoothing has no meaning for task mul",
        ),
        ({"task": "regression", "training": {"class_weights": "balanced"}}, "class_weights has no meaning"),
        ({"task": "regression", "training": {"schedule": "todm"}}, "divergence alpha is of probabilities"),
        ({"task": "regression", "search": {"objectives": ["accuracy"]}}, "accuracy is a metric of classification"),
        (
            {
                "data": {"source": "texts", "tokenizer": "t.json"},
                "search": {"objectives": ["corrupted_accuracy"], "corruption": {"name": "contrast"}},
            },
            "search.corruption is of images",
        ),
        ({"task": 3}, "task: must hold keys and their values, got 3"),
        ({"training": {"class_weights": "even"}}, "training.class_weights"),
        ({"training": {"class_weights": {"cat": 0.0}}}, "greater than 0"),
    ],
)
def test_what_does_not_go_together_is_refused(sections: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        load(tmp_path, **sections)
