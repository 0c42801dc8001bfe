"""The contract of sensitivity metrics, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.policy_runs import compress_alone
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork, trace
from nas.tasks.registry import TASKS
from search_spaces.compression_policy import LayerPolicy

FLOAT = LayerPolicy()
CHOICES = (
    (FLOAT, LayerPolicy.quantized(8, 8), LayerPolicy.quantized(2, 8)),
    (LayerPolicy.quantized(4, 8), FLOAT),
)


class Attending(nn.Module):
    """Two layers around an attention, for metrics that order attentions."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(2, 12), nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        query, key, value = self.qkv(images.flatten(2).mT).chunk(3, -1)
        return self.out((query @ key.mT).softmax(-1) @ value).mean(1)


@cache
def trace_network(kind: str) -> TracedNetwork:
    torch.manual_seed(0)
    body = (nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(100, 3))
    single = (nn.Flatten(), nn.Linear(50, 4), nn.Linear(4, 1))
    modules = {"attending": Attending(), "plain": nn.Sequential(*body), "single": nn.Sequential(*single)}
    return trace(modules[kind].eval(), [torch.zeros(1, 2, 5, 5)])


def make_network(name: str) -> TracedNetwork:
    """A network that has what a metric needs."""
    return trace_network("attending" if name == "arank" else "plain")


@pytest.mark.parametrize("name", list(SENSITIVITY_METRICS))
def test_damage_is_that_of_each_choice(name: str) -> None:
    generator, traced = torch.Generator().manual_seed(1), make_network(name)
    inputs = torch.randn(24, 2, 5, 5, generator=generator)
    data = CalibrationData(inputs, traced.network()(inputs).argmax(1), batch=8)
    subject = CompressionSubject(traced, CHOICES, data, task=TASKS["classification"])
    before = {tensor: value.clone() for tensor, value in traced.parameters.items()}
    metric = SENSITIVITY_METRICS[name]()
    first, second = metric.damage(subject)
    assert (first.shape, second.shape) == ((3,), (2,))
    assert (first[0], second[1]) == (0.0, 0.0)
    assert 0 <= first[1] < first[2]
    assert 0 <= second[0] < np.inf
    assert all(np.array_equal(*pair) for pair in zip(metric.damage(subject), (first, second), strict=True))
    assert all(torch.equal(traced.parameters[tensor], value) for tensor, value in before.items())
    assert metric == SENSITIVITY_METRICS[name]()
    if (measure := metric.measure_policies(subject)) is not None:
        alone = [measure(compress_alone(2, layer, CHOICES[layer][choice])) for layer, choice in ((1, 0), (0, 2))]
        assert [max(value, 0.0) for value in alone] == [second[0], first[2]]


def make_subjects(name: str) -> dict[str, CompressionSubject]:
    """Subjects by what they lack, the network of a metric and others."""
    traced, others, single = make_network(name), trace_network("plain"), trace_network("single")
    inputs = torch.randn(8, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    classes, plain = CalibrationData(inputs, torch.arange(8) % 3), CalibrationData(inputs)
    numbers = CalibrationData(inputs, torch.zeros(8, 3))
    classification, regression = TASKS["classification"], TASKS["regression"]
    return {
        "nothing": CompressionSubject(traced, CHOICES, classes, task=classification),
        "data": CompressionSubject(traced, CHOICES, task=classification),
        "labels": CompressionSubject(traced, CHOICES, plain, task=classification),
        "a task": CompressionSubject(traced, CHOICES, plain),
        "classes": CompressionSubject(traced, CHOICES, numbers, task=regression),
        "an attention": CompressionSubject(others, CHOICES, classes, task=classification),
        "two outputs": CompressionSubject(single, CHOICES, plain, task=regression),
    }


NEEDS = {  # besides data
    "weight_distortion": set[str](),
    "z_score": set[str](),
    "output_divergence": {"data", "a task", "classes", "two outputs"},
    "measured_loss": {"data", "labels", "a task", "two outputs"},  # there are no labels for a single output either
    "arank": {"data", "an attention", "two outputs"},
    "macro_influence": {"data", "two outputs"},
}


def find_refusal(metric: SensitivityMetric, subject: CompressionSubject) -> str | None:
    try:
        metric.check(subject)
    except ValueError as told:
        return str(told)
    return None


@pytest.mark.parametrize("name", list(SENSITIVITY_METRICS))
def test_what_a_metric_needs_and_has_not_is_said_in_one_line_before_any_work(name: str) -> None:
    metric, refused = SENSITIVITY_METRICS[name](), set()
    for lack, subject in make_subjects(name).items():
        told = find_refusal(metric, subject)
        if told is None:
            assert all(np.isfinite(layer).all() for layer in metric.damage(subject))
            continue
        refused.add(lack)
        assert "\n" not in told
        with pytest.raises(ValueError, match=re.escape(told)):
            metric.damage(subject)
    assert refused == NEEDS.get(name, {"data"})


@pytest.mark.parametrize("name", list(SENSITIVITY_METRICS))
def test_ranks_and_zeros_are_choices_like_others(name: str) -> None:
    """What is left of a weight does less damage the more it is."""
    traced = make_network(name)
    texts = ["w32a32-sparse0.2", "w32a32-sparse0.9", "w8a8-sparse0.2", "w8a8-sparse0.9"]
    if name != "arank":  # whose network has a layer of rank 1
        texts += ["w32a32-rank0.9", "w32a32-rank0.4", "w4a32-correct0.9", "w2a32"]
    inputs = torch.randn(24, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    data = CalibrationData(inputs, traced.network()(inputs).argmax(1), batch=8)
    subject = CompressionSubject.uniform_choices(
        traced, [FLOAT, *map(LayerPolicy.parse, texts)], data, task=TASKS["classification"]
    )
    for layer in SENSITIVITY_METRICS[name]().damage(subject):
        assert layer[0] == 0
        assert (layer >= 0).all()
        assert (layer[1::2] < layer[2::2]).all()
