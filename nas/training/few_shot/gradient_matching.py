"""Gradient matching: the agreement of the values of a gene about the weights that they share.

A score is the cosine of two gradients of the same weights, on the same batch, that differ in the value of the gene.
Source: Hu et al., "Generalizing Few-Shot NAS with Gradient Matching", ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nas.objectives import FloatArray


def compute_matching_scores(gradients: Sequence[Sequence[Tensor | None]]) -> FloatArray:
    """The cosines between the gradients of the values of a gene, on one batch.

    Every gradient is scaled to length one before the products. The paper's program adds 1e-6 to the product of the
    lengths instead: that constant takes over once gradients are small, and then neither the diagonal is 1 nor the
    result independent of the scale of the loss.

    Args:
        gradients: For each value its gradients of the same parameters, in the same order. None is a gradient of zero.

    Returns:
        Shape (values, values), within [-1, 1], symmetric, diagonal 1. A gradient of zero scores 0 with all others.

    Raises:
        ValueError: If there is no value or no parameter, the numbers or the shapes of gradients differ between values,
            or a gradient is not finite.
    """
    lengths = sorted({len(gradient) for gradient in gradients})
    if len(lengths) != 1 or lengths == [0]:
        raise ValueError(f"every value needs a gradient or None for each shared parameter, got {lengths} parameters")
    scales = np.array([_find_largest_entry(gradient) for gradient in gradients])
    if not np.isfinite(scales).all():
        broken = np.flatnonzero(~np.isfinite(scales)).tolist()
        raise ValueError(f"gradients must be finite, those of values {broken} are not; a lower learning rate may help")
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
    """The largest absolute entry of all tensors; gradients are divided by it so that squares do not overflow."""
    entries = [float(g.detach().abs().max()) for g in gradient if g is not None and g.numel()]
    return float(np.max(entries, initial=0.0))
