"""Damage by the direction of the outputs, whatever their scale."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.sensitivity.degradation import Compare, Degradation
from nas.compression.subject import CompressionSubject


@dataclass(frozen=True)
class CosineDistance(Degradation):
    """Macro Influence of Pei et al., "FuseGPT", 2024: 1 less the cosine of the outputs of both networks.

    The cosine is over the last axis, and the mean is over samples and tokens. It is blind to the scale of the outputs.
    The authors leave a block out and compare the last hidden states; here a layer is compressed, and the outputs are
    compared, as the head that makes them is compressed, too. Two outputs of zeros are in one direction.
    """

    def prepare(self, subject: CompressionSubject) -> Compare:
        subject.need_data()
        graph = subject.traced.graph
        if not all(graph.shapes[name] and graph.shapes[name][-1] >= 2 for name in graph.outputs):
            shapes = " and ".join(str(graph.shapes[name]) for name in graph.outputs)
            raise ValueError(
                f"the cosine of outputs needs two or more numbers in each, got {shapes}; take output_distortion"
            )
        return _compare


def _compare(outputs: Tensor, reference: Tensor, _: Tensor | None) -> float:
    ours, theirs = outputs.double(), reference.double()
    lengths = ours.norm(dim=-1) * theirs.norm(dim=-1)
    same = (ours == theirs).all(-1)
    cosine = (ours * theirs).sum(-1) / torch.where(lengths > 0, lengths, 1.0)
    return float((1.0 - torch.where(same, 1.0, cosine.clamp(-1.0, 1.0))).mean())
