"""The contract of observers, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.compression.observers.min_max_range import MinMaxRange
from nas.compression.observers.percentile import Percentile
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


def test_ranges_of_known_data() -> None:
    values = torch.from_numpy(np.random.default_rng(0).permutation(100_000)).float().view(10, 100, 100) - 500
    assert MinMaxRange().observe(values) == (-500, 99_499)
    for share in (99.0, 99.9, 99.99):
        expected = np.percentile(values.numpy(), [100 - share, share])
        assert Percentile(share).observe(values) == pytest.approx(expected.tolist(), abs=1.01)
    assert Percentile(100).observe(values) == MinMaxRange().observe(values)
    assert Percentile(99.99).observe(ACTIVATIONS["rare outliers"]) == pytest.approx((-1, 1), abs=1e-3)
    together = torch.randn(10_001, generator=torch.Generator().manual_seed(0)).sort().values  # outliers share blocks
    assert Percentile(99).observe(together) == (together[99].item(), together[-100].item())


@pytest.mark.parametrize("share", [50, 101, -1])
def test_a_percentile_is_more_than_half(share: float) -> None:
    with pytest.raises(ValueError, match=r"in \(50, 100\]"):
        Percentile(share)
