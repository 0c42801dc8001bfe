"""The way to the outputs counts, and not the outputs alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.optin import Optin
from nas.compression.sensitivity.policy_runs import compress_alone
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from nas.tasks.registry import TASKS
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

TWO, FOUR = LayerPolicy.quantized(2), LayerPolicy.quantized(4)


class Aside(nn.Module):
    """A layer whose unit that rounding changes is not read, an identity, and two layers that come to naught."""

    def __init__(self) -> None:
        super().__init__()
        self.dead, self.same, self.aside, self.after, self.head = (nn.Linear(4, 4, bias=False) for _ in range(5))
        with torch.no_grad():
            self.same.weight.copy_(torch.eye(4))
            self.dead.weight.copy_(torch.eye(4))
            self.dead.weight[1] = torch.tensor([1.0, 0.4, 0.3, 0.2])  # all that rounding changes

    def forward(self, inputs: Tensor) -> Tensor:
        kept = self.same(self.dead(inputs) * torch.tensor([1.0, 0.0, 1.0, 1.0]))
        return self.head(kept + 0.0 * self.after(self.aside(kept)))


@pytest.fixture
def subject() -> CompressionSubject:
    torch.manual_seed(0)
    traced, data = trace(Aside(), [torch.zeros(2, 4)]), CalibrationData(torch.randn(40, 4), batch=8)
    return CompressionSubject.uniform_choices(traced, [TWO, FOUR], data, task=TASKS["classification"])


def test_what_changes_nothing_behind_it_does_no_harm_and_the_way_counts(subject: CompressionSubject) -> None:
    dead, same, aside, after, head = Optin().damage(subject)
    assert dead.tolist() == same.tolist() == after.tolist() == [0.0, 0.0]
    assert aside[0] > aside[1] > 0.0  # the outputs say nothing of it
    assert head[0] > head[1] > 0.0  # it has but the outputs
    measure = Optin().measure_policies(subject)
    alone = compress_alone(5, 2, TWO)
    assert measure(alone) == aside[0]
    assert measure(CompressionPolicy((TWO, *alone.layers[1:]))) > aside[0]  # counted from behind the first


def test_tokens_are_the_same_for_all_policies_and_logits_are_a_tenth(subject: CompressionSubject) -> None:
    few, all_ = Optin(tokens=10), Optin()
    assert [one.tolist() for one in few.damage(subject)] == [one.tolist() for one in few.damage(subject)]
    assert few.damage(subject)[4][0] < all_.damage(subject)[4][0]
    numbers = replace(subject, task=None)
    assert float(Optin().damage(numbers)[4][0]) > 0.0
