"""Padding that convolutions can do themselves is theirs; any other stays."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.tracing.trace import trace
from search_spaces.operators.weighted import Convolution


class Padded(nn.Module):
    """Padding before one convolution and before two, with ones, of channels, and before a pooling as well."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (nn.Conv2d(channels, 4, 3, 2, padding=1) for channels in (3, 4, 4))
        self.four, self.five, self.six = (nn.Conv2d(channels, 4, 1) for channels in (4, 4, 6))

    def forward(self, images: Tensor) -> Tensor:
        x = self.one(F.pad(images, (0, 1, 2, 3)))
        both = F.pad(x, (1, 1, 0, 2))
        x = self.two(both) + self.three(both)
        x = self.four(F.pad(x, (1, 1, 1, 1), value=1.0))
        shared = F.pad(x, (1, 1, 1, 1))
        x = self.five(shared) + F.avg_pool2d(shared, 1)
        return self.six(F.pad(x, (0, 0, 0, 0, 1, 1))).mean((2, 3))


def test_only_zeros_that_convolutions_alone_read_are_folded() -> None:
    torch.manual_seed(0)
    graph = trace(Padded(), [torch.randn(2, 3, 16, 16)]).graph  # which holds its outputs against the module
    convolutions = [node.operator for node in graph.nodes if isinstance(node.operator, Convolution)]
    assert [operator.padding for operator in convolutions[:3]] == [((3, 4), (1, 2)), *[((1, 3), (2, 2))] * 2]
    assert graph.operator_counts["pad"] == 3
