"""Metrics suit the task, and limits what values can be: told when the job is read."""

from __future__ import annotations

from typing import Any

import pytest

from nas.jobs.files.metric_checks import check_metrics
from nas.jobs.files.search_section import SearchSection
from nas.jobs.files.task_section import TaskSection

OWN = {"metrics": {"ink": {"function": "mine:ink", "maximize": False}}}


def check(task: Any, **search: Any) -> None:
    check_metrics(TaskSection.model_validate(task), SearchSection.model_validate(search))


def test_metrics_of_the_task_and_of_ones_own_are_traded() -> None:
    check({}, objectives=["accuracy", "macro_f1", "worst_class_accuracy", "expected_calibration_error", "macs"])
    check("multi_label", objectives=["mean_average_precision", "macro_f1"], limits={"micro_f1": 50.0})
    check({"name": "regression"} | OWN, objectives=["ink", "r2"], limits={"r2": -0.5, "mean_absolute_error": 3.0})
    check({"loss": "mine:loss"} | OWN, objectives=["ink"], limits={"ink": -1.0})
    check({}, objectives=["corrupted_accuracy"], corruption={"name": "contrast"})


def test_without_labels_candidates_are_compared_with_the_given_network() -> None:
    unlabelled = SearchSection.model_validate({"objectives": ["top1_agreement", "explained_variance", "macs"]})
    check_metrics(TaskSection(), unlabelled, labelled=False)
    for task, search, words in (
        ({}, {"objectives": ["accuracy", "macs"]}, "accuracy needs labels, and this job has none"),
        (
            {"name": "regression"} | OWN,
            {"objectives": ["explained_variance", "macs"], "limits": {"ink": 1.0}},
            "ink needs labels, and this job has none .*; name explained_variance",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            check_metrics(TaskSection.model_validate(task), SearchSection.model_validate(search), labelled=False)
    shares = SearchSection(objectives=["accuracy", "macs"], limits={"accuracy": "99 % of given"})
    check_metrics(TaskSection(), shares)
    with pytest.raises(ValueError, match=r"limits.accuracy is 99 % of given, and this job trains a supernet"):
        check_metrics(TaskSection(), shares, given=False)
    with pytest.raises(ValueError, match="compares candidates with a given network"):
        check_metrics(TaskSection(), unlabelled, given=False)


@pytest.mark.parametrize(
    ("task", "search", "words"),
    [
        ({}, {"objectives": ["r2"]}, "r2 is a metric of regression; this job's task classification has accuracy, "),
        (
            "multi_label",
            {"objectives": ["accuracy"]},
            "multi_label has macro_f1, mean_average_precision, micro_f1",
        ),
        ({"loss": "mine:loss"} | OWN, {"objectives": ["accuracy"]}, "task of an own loss has ink"),
        ({}, {"objectives": ["ink"]}, "unknown objective 'ink'; known objectives: accuracy, "),
        ("regression", {"objectives": ["macs"]}, "nothing is to be measured; name mean_absolute_error or "),
        ({}, {"objectives": ["corrupted_accuracy"]}, "is measured under search.corruption; state one"),
        ({}, {"objectives": ["accuracy"], "corruption": {"name": "contrast"}}, "search.corruption is for corrupted_"),
        ("regression", {"objectives": ["r2"], "limits": {"r2": 1.5}}, r"search.limits.r2 must lie in \[-inf, 1\]"),
        ({}, {"objectives": ["accuracy"], "limits": {"accuracy": 101.0}}, r"limits.accuracy must lie in \[0, 100\]"),
        ({}, {"objectives": ["accuracy"], "limits": {"macs": 0.0}}, "limits.macs must be above 0"),
    ],
)
def test_what_does_not_suit_is_refused(task: Any, search: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check(task, **search)
