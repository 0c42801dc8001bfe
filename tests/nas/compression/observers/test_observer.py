"""The contract of observers, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import Tensor

from nas.compression.observers.registry import OBSERVERS

ACTIVATIONS = {
    "normal": torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(0)),
    "after a ReLU": torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(1)).relu(),
    "all below zero": -1.0 - torch.rand(5, 7, generator=torch.Generator().manual_seed(2)),
    "constant": torch.full((2, 5), 3.0),
    "one value": torch.tensor([[-2.0]]),
    "rare outliers": torch.cat([torch.linspace(-1, 1, 100_000), torch.tensor([-1e3, 1e6])]),
}


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
@pytest.mark.parametrize("name", list(OBSERVERS))
def test_a_range_is_one_of_the_values(name: str, activation: Tensor) -> None:
    observer, copy = OBSERVERS[name](), activation.clone()
    low, high = observer.observe(activation)
    assert activation.min() <= low <= high <= activation.max()
    assert torch.equal(activation, copy)
    assert observer.observe(4 * activation) == (4 * low, 4 * high)
    shuffled = activation.flatten()[torch.randperm(activation.numel(), generator=torch.Generator().manual_seed(3))]
    assert observer.observe(shuffled) == (low, high)
    inside = activation.float().clamp(low, high)
    assert (inside == activation).float().mean() > 0.9


@pytest.mark.parametrize("name", list(OBSERVERS))
def test_an_observer_is_a_value_without_a_memory(name: str) -> None:
    observer, first = OBSERVERS[name](), ACTIVATIONS["normal"]
    before = observer.observe(first)
    observer.observe(ACTIVATIONS["rare outliers"])
    assert observer.observe(first) == before
    assert pickle.loads(pickle.dumps(observer)) == observer == OBSERVERS[name]()
    assert hash(observer) == hash(OBSERVERS[name]())
