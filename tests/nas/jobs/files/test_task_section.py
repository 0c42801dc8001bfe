"""A task is a name, or a loss of one's own; metrics go with either."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from nas.jobs.files.task_section import TaskSection
from nas.tasks.metrics.corruption import Corruption
from nas.tasks.metrics.own_metric import OwnMetric
from nas.tasks.regression import REGRESSION

INK = {"function": "mine:ink_error", "maximize": False, "unit": "g"}


def section(given: Any) -> TaskSection:
    return TaskSection.model_validate(given)


def test_a_text_is_the_name_of_a_task() -> None:
    assert section("regression") == section({"name": "regression"})
    assert section("regression").create() is REGRESSION
    assert (section("regression").kind, section({}).kind) == ("regression", "classification")
    assert section({}).described() == section("classification").described() == {}


def test_metrics_of_ones_own_are_measured_like_others() -> None:
    task = section({"name": "regression", "metrics": {"ink": INK}})
    found = task.find_measured("ink")
    assert isinstance(found, OwnMetric)
    assert (found.metric.unit, found.metric.maximize, found.function) == ("g", False, "mine:ink_error")
    assert (
        task.choose_headline(True),
        section({"loss": "mine:loss", "metrics": {"ink": INK}}).choose_headline(True),
    ) == (
        "mean_absolute_error",
        "ink",
    )
    assert section({}).find_measured("corrupted_accuracy", Corruption("contrast", 5)).corruption == Corruption(
        "contrast", 5
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("segmentation", "unknown task 'segmentation'; known tasks: classification, multi_label, regression"),
        ({"name": "regression", "loss": "mine:loss", "metrics": {"ink": INK}}, "leave out the name or the loss"),
        ({"loss": "mine:loss"}, "needs one metric or more"),
        ({"name": "regression", "outputs": 3}, "outputs are stated for a loss of one's own"),
        ({"metrics": {"accuracy": INK}}, "there is a accuracy; rename it"),
        ({"metrics": {"latency_ms": INK}}, "there is a latency_ms; rename it"),
        ({"metrics": {"expected_ink": INK}}, "got 'expected_ink'"),
        ({"metrics": {"ink_std": INK}}, "got 'ink_std'"),
        ({"metrics": {"Ink": INK}}, "must be lower-case letters"),
        ({"metrics": {"key": INK}}, "a metric needs a name that no column of results has"),
        ({"metrics": {"ink": {"function": "mine:ink"}}}, "maximize"),
    ],
)
def test_what_is_no_task_is_refused(given: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        section(given)
