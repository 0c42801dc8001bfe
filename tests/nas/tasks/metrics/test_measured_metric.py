"""The contract of measured metrics, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.tasks.metrics.registry import MEASURED_METRICS
from nas.tasks.registry import OWN_LOSS, TASKS
from results.metric import METRICS

CLASSES = torch.arange(60) % 5
OUTPUTS = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))  # a class that no label names
MARKED = (torch.randn(60, 6, generator=torch.Generator().manual_seed(1)) > 0.5).float() * torch.tensor([1] * 5 + [0])
NUMBERS = torch.randn(60, 6, generator=torch.Generator().manual_seed(2)) * 10
# labels of each task, and the outputs of a network that is right, and certain, everywhere
LABELS: dict[str, tuple[Tensor, Tensor]] = {
    "classification": (CLASSES, 100 * torch.eye(6)[CLASSES]),
    "multi_label": (MARKED, 100 * (MARKED - 0.5)),
    "regression": (NUMBERS, NUMBERS),
}


def expect(measured: MeasuredMetric, task: str) -> tuple[Tensor, Tensor]:
    """What outputs are compared with, and those of a network that is as good as can be: itself, where there is none."""
    return LABELS[task] if measured.needs_labels else (NUMBERS, NUMBERS)


CASES = [(one, task) for one in MEASURED_METRICS.values() for task in one.tasks]

every_metric = pytest.mark.parametrize(("measured", "task"), CASES, ids=[f"{m.metric.name}-{t}" for m, t in CASES])


@every_metric
def test_a_value_is_of_the_samples_in_any_order(measured: MeasuredMetric, task: str) -> None:
    labels, _ = expect(measured, task)
    value = measured.value(OUTPUTS, labels)
    assert math.isfinite(value)
    least, most = measured.metric.bounds
    assert least <= value <= most
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    assert measured.value(OUTPUTS[order], labels[order]) == pytest.approx(value, rel=1e-12)
    assert math.isfinite(measured.value(OUTPUTS[:1], labels[:1]))


@every_metric
def test_nothing_is_better_than_right_everywhere(measured: MeasuredMetric, task: str) -> None:
    labels, right = expect(measured, task)
    costs = measured.metric.costs([measured.value(outputs, labels) for outputs in (right, OUTPUTS, -right)])
    assert costs[0] == costs.min()
    assert costs[0] < costs[2]


@every_metric
def test_an_error_is_positive_and_shrinks_with_samples(measured: MeasuredMetric, task: str) -> None:
    labels, right = expect(measured, task)
    values = np.array([measured.value(outputs, labels) for outputs in (right, OUTPUTS)])
    few, many = (measured.standard_error(values, images) for images in (60, 6000))
    if few is not None and many is not None:
        assert few.shape == many.shape == (2,)
        assert np.all((many > 0) & (many < few))


@pytest.mark.parametrize("name", list(MEASURED_METRICS))
def test_a_measured_metric_is_a_value_of_a_metric_that_results_know(name: str) -> None:
    measured = MEASURED_METRICS[name]
    assert measured.metric == METRICS[name]
    assert measured.tasks
    assert set(measured.tasks) <= {*TASKS, OWN_LOSS}
    assert pickle.loads(pickle.dumps(measured)) == measured
