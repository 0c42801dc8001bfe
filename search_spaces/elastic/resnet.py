"""The shared weights of ResNet.

In: a `ResNetSpace`. Out: its wiring in torch. Knows no elasticity: views and policies are the base class's affair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.candidate import Architecture
from search_spaces.elastic.channel_group import ChannelGroup
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.shared_weights import SharedWeights


class ResidualBlock(nn.Module):
    """Convolutions in a row, added to a shortcut: projected, padded with zeros (option A), or the input itself."""

    def __init__(self, name: str, layers: Mapping[str, Layer]) -> None:
        super().__init__()
        convolutions = [key for key in layers if key.startswith(f"{name}.conv")]
        self.names = [key.rpartition(".")[2] for key in convolutions]
        for short, key in zip(self.names, convolutions, strict=True):
            self.add_module(short, layers[key])
        self.shortcut = layers.get(f"{name}.shortcut")
        specs = [layers[key].spec for key in convolutions]
        before, after = specs[0].input_shape, specs[-1].output_shape
        self.stride = -(-before[1] // after[1])
        self.padding = (after[0] - before[0]) // 2

    def forward(self, inputs: Tensor) -> Tensor:
        x = inputs
        for name in self.names:
            x = self.get_submodule(name)(x)
        return F.relu(x + self._shortcut(inputs), inplace=True)

    def _shortcut(self, inputs: Tensor) -> Tensor:
        if self.shortcut is not None:
            projected: Tensor = self.shortcut(inputs)
            return projected
        if self.stride == 1 and self.padding == 0:
            return inputs
        return F.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))


class ResNet(nn.Module):
    """A plain ResNet; images (batch, channels, side, side) to logits (batch, classes)."""

    def __init__(self, layers: Mapping[str, Layer], blocks: Sequence[int]) -> None:
        super().__init__()
        self.stem = layers["stem"]
        self.stages = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(f"stages.{s}.{j}", layers) for j in range(depth)))
            for s, depth in enumerate(blocks)
        )
        self.classifier = layers["classifier"]

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


class ResNetWeights(SharedWeights):
    """All networks of a `ResNetSpace` in one set of weights."""

    def wire(self, architecture: Architecture, layers: Mapping[str, Layer]) -> nn.Module:
        """Joins the layers of an architecture, by name, to a plain module in which each is found by its name."""
        return ResNet(layers, [len(stage) for stage in architecture.stages])

    def channel_groups(self) -> list[ChannelGroup]:
        """The inner channels of every block, and the residual stream of every stage with projected shortcuts."""
        groups: list[ChannelGroup] = []
        assert isinstance(self.network, ResNet)
        stages: nn.ModuleList = self.network.stages
        for s, stage in enumerate(stages):
            residual_blocks = (block for block in stage.children() if isinstance(block, ResidualBlock))
            blocks = [(f"stages.{s}.{j}", block) for j, block in enumerate(residual_blocks)]
            for name, block in blocks:
                inner = [f"{name}.{short}" for short in block.names]
                groups += [ChannelGroup((before,), (after,), (after,)) for before, after in pairwise(inner)]
            if blocks[0][1].shortcut is not None:
                producers = [f"{name}.{block.names[-1]}" for name, block in blocks] + [f"stages.{s}.0.shortcut"]
                following = [f"{name}.conv1" for name, _ in blocks[1:]]
                last = s + 1 == len(stages)
                following += ["classifier"] if last else [f"stages.{s + 1}.0.conv1", f"stages.{s + 1}.0.shortcut"]
                groups.append(ChannelGroup(tuple(producers), tuple(following), tuple(following)))
        return groups
