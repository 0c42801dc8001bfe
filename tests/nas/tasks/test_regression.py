"""Numbers are learnt in units of their spread, and given in their own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.tasks.regression import REGRESSION, RescaledNetwork


def test_the_loss_does_not_depend_on_the_unit() -> None:
    labels = torch.randn(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
    outputs = torch.randn(30, 2, generator=torch.Generator().manual_seed(1))
    scaled = labels * torch.tensor([1000.0, 0.01]) + torch.tensor([5.0, -3.0])
    losses = [REGRESSION.fit(one).compute_loss(outputs, one).item() for one in (labels, scaled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    silent = REGRESSION.fit(labels).compute_loss(torch.zeros(30, 2), labels)
    assert silent.item() == pytest.approx(1.0, rel=1e-5)


def test_a_network_is_turned_back_to_the_unit_of_labels() -> None:
    task = REGRESSION.fit(torch.tensor([[10.0], [14.0]]))
    network = task.finish_network(nn.Identity())
    assert isinstance(network, RescaledNetwork)
    outputs = network(torch.tensor([[0.0], [1.0]]))
    assert outputs.tolist() == [[12.0], [14.0]]
    assert network.standardize(outputs).tolist() == [[0.0], [1.0]]


def test_outputs_whose_labels_are_all_alike_are_named() -> None:
    with pytest.raises(ValueError, match="must differ, and all of 'depth' are 2"):
        REGRESSION.check_training(torch.tensor([[1.0, 2.0], [3.0, 2.0]]), ("width", "depth"))
