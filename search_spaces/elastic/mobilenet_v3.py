"""The shared weights of MobileNetV3.

In: a `MobileNetV3Space`. Out: its wiring in torch. Knows no elasticity: views and policies are the base class's affair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from search_spaces.candidate import Architecture
from search_spaces.elastic.channel_group import ChannelGroup
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.shared_weights import SharedWeights


class InvertedBottleneck(nn.Module):
    """Expand, depthwise, squeeze-and-excite, project; expansion and squeeze-and-excite may be missing."""

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        super().__init__()
        self.expand = layers.get("expand")
        self.depthwise = layers["depthwise"]
        self.squeeze = layers.get("squeeze")
        self.excite = layers.get("excite")
        self.project = layers["project"]
        entrance = self.depthwise if self.expand is None else self.expand
        self.residual = entrance.spec.input_shape == self.project.spec.output_shape

    def forward(self, inputs: Tensor) -> Tensor:
        x = inputs if self.expand is None else self.expand(inputs)
        x = self.depthwise(x)
        if self.squeeze is not None and self.excite is not None:
            x = x * self.excite(self.squeeze(x.mean((2, 3), keepdim=True)))
        x = self.project(x)
        return x + inputs if self.residual else x


class MobileNetV3(nn.Module):
    """A plain MobileNetV3; images (batch, channels, side, side) to logits (batch, classes)."""

    def __init__(self, layers: Mapping[str, Layer], blocks: Sequence[int]) -> None:
        super().__init__()
        self.stem = layers["stem"]
        self.first = InvertedBottleneck(_below("first", layers))
        self.stages = nn.ModuleList(
            nn.Sequential(*(InvertedBottleneck(_below(f"stages.{s}.{j}", layers)) for j in range(depth)))
            for s, depth in enumerate(blocks)
        )
        self.head = layers["head"]
        self.feature = layers["feature"]
        self.classifier = layers["classifier"]

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(self.stem(images))
        for stage in self.stages:
            x = stage(x)
        x = self.feature(self.head(x).mean((2, 3), keepdim=True))
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


class MobileNetV3Weights(SharedWeights):
    """All networks of a `MobileNetV3Space` in one set of weights."""

    def wire(self, architecture: Architecture, layers: Mapping[str, Layer]) -> nn.Module:
        """Joins the layers of an architecture, by name, to a plain module in which each is found by its name."""
        return MobileNetV3(layers, [len(stage) for stage in architecture.stages])

    def channel_groups(self) -> list[ChannelGroup]:
        """The inner channels of every elastic block, ranked by the projection that reads them."""
        groups = []
        for name, block in self.network.named_modules():
            if isinstance(block, InvertedBottleneck) and block.expand is not None:
                producers = [f"{name}.expand", f"{name}.depthwise"]
                consumers = [f"{name}.project"]
                if block.squeeze is not None:
                    producers.append(f"{name}.excite")
                    consumers.append(f"{name}.squeeze")
                groups.append(ChannelGroup(tuple(producers), tuple(consumers), (f"{name}.project",)))
        return groups


def _below(prefix: str, layers: Mapping[str, Layer]) -> dict[str, Layer]:
    return {name[len(prefix) + 1 :]: layer for name, layer in layers.items() if name.startswith(f"{prefix}.")}
