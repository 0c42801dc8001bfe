"""Where networks can be rescaled, and where not."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas.compression.equalization.scale_link import find_links
from nas.compression.tracing.trace import trace


def links_of(net: nn.Module, *shape: int) -> dict[str, list[str]]:
    """The weights that read, by the first tensor of the source."""
    found = find_links(trace(net.eval(), [torch.randn(1, *shape)]).graph)
    return {link.source.parameters[0]: [node.parameters[0] for node, _ in link.readers] for link in found}


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.first, self.second, self.third, self.shared = (nn.Linear(6, 6) for _ in range(4))


class Branches(Parts):
    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        z = torch.relu(self.first(y)) + self.second(y)  # a sum that two layers make: neither is scaled alone
        return self.third(z)


class Shared(Parts):
    def forward(self, x: Tensor) -> Tensor:
        x = self.shared(torch.relu(self.first(x)))
        return self.third(torch.relu(self.shared(torch.relu(x))))


class Returned(Parts):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(x)
        return self.second(x), x


def test_all_readers_are_found_behind_what_passes_scales() -> None:
    assert links_of(Branches(), 6) == {"norm.weight": ["first.weight", "second.weight"]}
    assert links_of(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)), 6) == {"0.weight": ["2.weight"]}
    maps = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert links_of(nn.Sequential(*maps, nn.Linear(4, 2)), 3, 6, 6) == {"1.weight": ["5.weight"]}


def test_what_would_change_the_function_is_no_link() -> None:
    assert links_of(nn.Sequential(nn.Linear(6, 4), nn.GELU(), nn.Linear(4, 3)), 6) == {}
    assert links_of(nn.Sequential(nn.Linear(6, 4), nn.ReLU6(), nn.Linear(4, 3)), 6) == {}
    assert links_of(Shared(), 6) == {}  # its scales would have to be those of two calls
    assert links_of(Returned(), 6) == {}
