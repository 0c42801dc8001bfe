"""Gradient matching: which choices disagree about the weights they share.

In: the gradients of candidate ops on the same shared parameters, same batch and same context. Out: their agreement.
Knows no supernet, loss or schedule.
Source: Hu et al., "Generalizing Few-Shot NAS with Gradient Matching", ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nas.objectives import FloatArray


def matching(gradients: Sequence[Sequence[Tensor | None]]) -> FloatArray:
    """The cosines between the ops' gradients on one batch; their mean over batches is what to partition.

    Every gradient is scaled to length one before the products. The paper's program adds 1e-6 to the product of the
    lengths instead: that constant takes over once gradients are small, and then neither the diagonal is 1 nor the
    result independent of the scale of the loss.

    Args:
        gradients: One sequence per op, over the same parameters in the same order. None is a gradient of zero.

    Returns:
        Shape (ops, ops), within [-1, 1], symmetric, diagonal 1. A gradient of zero scores 0 with all others.

    Raises:
        ValueError: No op or parameter, numbers or shapes that differ between ops, or a gradient that is not finite.
    """
    lengths = sorted({len(gradient) for gradient in gradients})
    if len(lengths) != 1 or lengths == [0]:
        raise ValueError(f"every op needs a gradient or None for each shared parameter, got {lengths} parameters")
    scales = np.array([_largest(gradient) for gradient in gradients])
    if not np.isfinite(scales).all():
        broken = np.flatnonzero(~np.isfinite(scales)).tolist()
        raise ValueError(f"gradients must be finite, got others for ops {broken}; a lower learning rate may do")
    gram = np.zeros((len(gradients), len(gradients)))
    for number, of_parameter in enumerate(zip(*gradients, strict=True)):
        present = {op: gradient for op, gradient in enumerate(of_parameter) if gradient is not None and scales[op] > 0}
        if len(shapes := sorted({tuple(gradient.shape) for gradient in present.values()})) > 1:
            raise ValueError(f"gradients of one parameter must have one shape, got {shapes} for parameter {number}")
        if present:
            rows = torch.stack([gradient.detach().double().flatten() / scales[op] for op, gradient in present.items()])
            gram[np.ix_(list(present), list(present))] += (rows @ rows.T).cpu().numpy()
    norms = np.sqrt(gram.diagonal())
    norms[norms == 0] = 1.0
    scores: FloatArray = np.clip((gram + gram.T) / 2 / np.outer(norms, norms), -1.0, 1.0)
    np.fill_diagonal(scores, 1.0)
    return scores


def _largest(gradient: Sequence[Tensor | None]) -> float:
    """The largest absolute entry: scaled by it, squares neither overflow nor vanish."""
    entries = [float(g.detach().abs().max()) for g in gradient if g is not None and g.numel()]
    return float(np.max(entries, initial=0.0))
