"""Re-calibrated statistics are the mean of the batch statistics."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from nas.training.recalibration import measure_accuracy, recalibrate_batch_norm
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

BATCHES = list(torch.randn(4, 16, 1, 12, 12, generator=torch.Generator().manual_seed(0)))


def test_statistics_are_the_mean_over_batches() -> None:
    net = build_supernet(create_space("resnet_digits", 1, 10), seed=0)
    network = net.extract(JointSpace(net.space).smallest().architecture)
    before = copy.deepcopy(network.state_dict())
    momenta = [module.momentum for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    seen: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {}

    def watch(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        statistics = (inputs[0].mean((0, 2, 3)), inputs[0].transpose(0, 1).flatten(1).var(1))
        seen.setdefault(norm, []).append(statistics)

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(watch) for norm in norms]
    recalibrate_batch_norm(network, BATCHES)
    assert len(norms) > 5
    for norm in norms:
        means, variances = (torch.stack(parts).mean(0) for parts in zip(*seen[norm], strict=True))
        torch.testing.assert_close(norm.running_mean, means, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(norm.running_var, variances, rtol=1e-4, atol=1e-5)
    assert not network.training
    assert not any(norm.training for norm in norms)
    assert [norm.momentum for norm in norms] == momenta
    for name, tensor in network.state_dict().items():
        assert ".running_" in name or "num_batches" in name or torch.equal(tensor, before[name])
    for hook in hooks:
        hook.remove()
    once = copy.deepcopy(network.state_dict())
    recalibrate_batch_norm(network, BATCHES)  # what was known before does not matter
    assert all(torch.equal(tensor, once[name]) for name, tensor in network.state_dict().items())


def test_accuracy_is_the_share_of_hits_over_batches_of_any_size() -> None:
    logits = torch.eye(3)[[0, 1, 2, 0, 1, 2, 0]]
    labels = torch.tensor([0, 1, 2, 1, 1, 0, 2])
    batches = [(logits[:5], labels[:5]), (logits[5:], labels[5:])]
    assert measure_accuracy(nn.Identity(), batches) == pytest.approx(100 * 4 / 7)
