"""A family of plain convolutional networks, elastic in resolution, depth and width."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.candidate import Architecture, ConvBlock
from search_spaces.choices import Choice, Value
from search_spaces.dataflow import make_chain, make_slot
from search_spaces.layer_slot import LayerFunction, LayerSlot
from search_spaces.layer_spec import LayerSpec
from search_spaces.network_graph import Node
from search_spaces.operators.arrangement import GlobalPool
from search_spaces.operators.weighted import Convolution
from search_spaces.search_space import Genes, SearchSpace

RESOLUTIONS, DEPTHS, WIDTHS = (8, 12), (1, 2, 3), (8, 16)


class PlainSpace(SearchSpace):
    """Convolutions of one width, each halving the feature map, then pooling and a classifier.

    Args:
        name: Name of the space.
        image_channels: Channels of the input image.
        classes: Outputs of the classifier.
    """

    def __init__(self, name: str, image_channels: int, classes: int) -> None:
        choices = [Choice("resolution", RESOLUTIONS), Choice("depth", DEPTHS), Choice("width", WIDTHS)]
        names = [f"blocks.{index}.conv" for index in range(max(DEPTHS))]
        slots = [
            LayerSlot(name, ("resolution", "depth", "width"), _convolution(name, index, image_channels))
            for index, name in enumerate(names)
        ]
        classifier = LayerSlot("classifier", ("width",), lambda v: LayerSpec.linear("classifier", int(v[0]), classes))
        nodes = [*make_chain(names), Node("pool", GlobalPool(), (names[-1],)), make_slot("classifier", "pool")]
        super().__init__(name, choices, [*slots, classifier], nodes)

    def decode(self, genes: Genes) -> Architecture:
        """The architecture of one gene vector of shape (d,)."""
        value = self.decode_values(genes)
        block = ConvBlock(int(value["width"]), 3, 1.0)
        return Architecture(self.name, int(value["resolution"]), ((block,) * int(value["depth"]),))

    def encode(self, architecture: Architecture) -> Genes:
        """The gene vector of an architecture, shape (d,).

        Raises:
            ValueError: If the architecture is not one of this space.
        """
        self.check(architecture)
        (blocks,) = architecture.stages
        width = getattr(blocks[0], "width", -1) if blocks else -1
        values: dict[str, Value] = {"resolution": architecture.resolution, "depth": len(blocks), "width": width}
        return self.encode_values(values, architecture)


def plain(image_channels: int, classes: int) -> PlainSpace:
    """The space for images with a number of channels, in a number of classes."""
    return PlainSpace("plain", image_channels, classes)


def _convolution(name: str, index: int, image_channels: int) -> LayerFunction:
    """The convolution of an index as a function of resolution, depth and width; None where the depth is less."""

    def layer(values: Sequence[Value]) -> LayerSpec | None:
        resolution, depth, width = (int(value) for value in values)
        if index >= depth:
            return None
        convolution = Convolution.square(image_channels if index == 0 else width, width, 3, stride=2)
        return LayerSpec.conv(name, convolution, -(-resolution // 2**index), activation="relu")

    return layer
