"""Gradient matching: how far the values of a gene agree about the weights that they share.

Scores are computed from gradients alone, on the same parameters, batch and context.
Source: Hu et al., "Generalizing Few-Shot NAS with Gradient Matching", ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nas.objectives import FloatArray


def compute_matching_scores(gradients: Sequence[Sequence[Tensor | None]]) -> FloatArray:
    """The cosines between the values' gradients on one batch; their mean over batches decides on the grouping.

    Every gradient is scaled to length one before the products. The paper's program adds 1e-6 to the product of the
    lengths instead: that constant takes over once gradients are small, and then neither the diagonal is 1 nor the
    result independent of the scale of the loss.

    Args:
        gradients: One sequence per value, over the same parameters in the same order. None is a gradient of zero.

    Returns:
        Shape (values, values), within [-1, 1], symmetric, diagonal 1. A gradient of zero scores 0 with all others.

    Raises:
        ValueError: No value or parameter, numbers or shapes that differ between values, or a gradient that is not
            finite.
    """
    lengths = sorted({len(gradient) for gradient in gradients})
    if len(lengths) != 1 or lengths == [0]:
        raise ValueError(f"every value needs a gradient or None for each shared parameter, got {lengths} parameters")
    scales = np.array([_find_largest_entry(gradient) for gradient in gradients])
    if not np.isfinite(scales).all():
        broken = np.flatnonzero(~np.isfinite(scales)).tolist()
        raise ValueError(f"gradients must be finite, got others for values {broken}; a lower learning rate may do")
    gram = np.zeros((len(gradients), len(gradients)))
    for number, by_value in enumerate(zip(*gradients, strict=True)):
        present = {v: gradient for v, gradient in enumerate(by_value) if gradient is not None and scales[v] > 0}
        if len(shapes := sorted({tuple(gradient.shape) for gradient in present.values()})) > 1:
            raise ValueError(f"gradients of one parameter must have one shape, got {shapes} for parameter {number}")
        if present:
            scaled = [gradient.detach().double().flatten() / scales[value] for value, gradient in present.items()]
            rows = torch.stack(scaled)
            gram[np.ix_(list(present), list(present))] += (rows @ rows.T).cpu().numpy()
    norms = np.sqrt(gram.diagonal())
    norms[norms == 0] = 1.0
    scores: FloatArray = np.clip((gram + gram.T) / 2 / np.outer(norms, norms), -1.0, 1.0)
    np.fill_diagonal(scores, 1.0)
    return scores


def _find_largest_entry(gradient: Sequence[Tensor | None]) -> float:
    """The largest absolute entry: scaled by it, squares neither overflow nor vanish."""
    entries = [float(g.detach().abs().max()) for g in gradient if g is not None and g.numel()]
    return float(np.max(entries, initial=0.0))
