"""The contract of measured metrics, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch

from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.tasks.metrics.registry import MEASURED_METRICS
from results.metric import METRICS

LABELS = torch.arange(60) % 5
LOGITS = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))  # a class that no label names
RIGHT = torch.eye(6)[LABELS]

every_metric = pytest.mark.parametrize("measured", MEASURED_METRICS.values(), ids=MEASURED_METRICS)


@every_metric
def test_a_value_is_of_the_images_in_any_order(measured: MeasuredMetric) -> None:
    value = measured.value(LOGITS, LABELS)
    assert math.isfinite(value)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    assert measured.value(LOGITS[order], LABELS[order]) == pytest.approx(value, rel=1e-12)


@every_metric
def test_nothing_is_better_than_right_everywhere(measured: MeasuredMetric) -> None:
    values = [measured.value(logits, LABELS) for logits in (RIGHT, LOGITS, -RIGHT)]
    costs = measured.metric.costs(values)
    assert costs[0] == costs.min()
    assert costs[0] < costs[2]


@every_metric
def test_an_error_is_positive_and_shrinks_with_images(measured: MeasuredMetric) -> None:
    values = np.array([measured.value(logits, LABELS) for logits in (RIGHT, LOGITS)])
    few, many = (measured.standard_error(values, images) for images in (60, 6000))
    if few is not None and many is not None:
        assert few.shape == many.shape == (2,)
        assert np.all((many > 0) & (many < few))


@pytest.mark.parametrize("name", list(MEASURED_METRICS))
def test_a_measured_metric_is_a_value_of_a_metric_that_results_know(name: str) -> None:
    measured = MEASURED_METRICS[name]
    assert measured.metric == METRICS[name]
    assert pickle.loads(pickle.dumps(measured)) == measured
