"""Batch-norm statistics and accuracy of one plain network, whatever it was extracted from."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def recalibrate_batch_norm(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replaces running statistics by the mean of the batch statistics (Cai et al., ICLR 2020).

    A subnet shares its running statistics with all others during training, so they fit none of them.

    Args:
        network: The network; it is left in evaluation mode.
        batches: Inputs in batches of equal size, shape (batch, channels, side, side).
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
        network: Gives logits, shape (batch, classes), of inputs.
        batches: Inputs, shape (batch, channels, side, side), and labels, shape (batch,); of any sizes.
    """
    hits, count = 0, 0
    for inputs, labels in batches:
        hits += int((network(inputs).argmax(1) == labels).sum())
        count += len(labels)
    return 100 * hits / count
