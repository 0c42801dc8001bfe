"""How far the distributions are from each other for which the outputs of two networks stand."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def compute_divergence(logits: Tensor, reference: Tensor) -> Tensor:
    """The mean Kullback-Leibler divergence KL(reference, logits) in nats, a scalar with gradients to both.

    Args:
        logits: Logits of n distributions, shape (n, classes).
        reference: Those of the distributions that they are compared with, in the same shape.
    """
    ours, theirs = (values.log_softmax(-1) for values in (logits, reference))
    return F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
