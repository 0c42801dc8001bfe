"""Recalibration of the batch norms of a plain network, and its accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def recalibrate_batch_norm(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replaces running statistics by the mean of the batch statistics (Cai et al., ICLR 2020).

    In training, all subnets update the same running statistics, so these are right for none of the subnets.

    Args:
        network: The network; it is left in evaluation mode, unless it has no batch norm, and then it is unchanged.
        batches: Inputs in batches of equal size, shape (batch, channels, height, width).
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch then keeps the plain average over batches
        norm.train()
    for inputs in batches:
        network(inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


@torch.no_grad()
def measure_accuracy(network: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Share of images, in percent, whose largest logit is the label's.

    Args:
        network: Returns the logits, shape (batch, classes), for inputs.
        batches: Inputs, shape (batch, channels, height, width), and labels, shape (batch,); at least one image in all.
    """
    hits, count = 0, 0
    for inputs, labels in batches:
        hits += int((network(inputs).argmax(1) == labels).sum())
        count += len(labels)
    return 100 * hits / count
