"""The ResNet family: elastic resolution, depth, stage width and inner (bottleneck) ratio.

Source: He et al., CVPR 2016; elastic as in "Once-for-All" (Cai et al., ICLR 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from search_spaces.candidate import Architecture, ConvBlock
from search_spaces.choices import Choice, Value
from search_spaces.dataflow import make_chain, make_slot
from search_spaces.layer_slot import LayerFunction, LayerSlot
from search_spaces.layer_spec import RELU, LayerSpec, round_channels
from search_spaces.network_graph import Node
from search_spaces.operators.arrangement import GlobalPool, Pad, Pool
from search_spaces.operators.products import Add
from search_spaces.operators.weighted import Convolution
from search_spaces.search_space import Genes, SearchSpace

Kernels = tuple[int, ...]  # sizes of the kernels of the convolutions of a block, in order
BASIC: Kernels = (3, 3)
BOTTLENECK: Kernels = (1, 3, 1)


@dataclass(frozen=True)
class ResNetStage:
    """A stage of residual blocks, of which the first may change the shape of the feature maps.

    Attributes:
        widths: Numbers of output channels to choose from, the same for all blocks.
        depths: Numbers of blocks to choose from.
        stride: Stride of the first block; the others have stride 1.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    stride: int


@dataclass(frozen=True)
class ResNetShape:
    """Everything about a ResNet family that is not elastic, and the values of what is.

    Attributes:
        resolutions: Sizes of the square input images in pixels, to choose from.
        stem_width: Channels of the 3x3 stem.
        block_kernels: Kernel of every convolution of a block: `BASIC` or `BOTTLENECK`.
        inner_ratios: Ratios of the channels inside a block to its output channels, to choose from.
        shortcut: How the shortcut of the first block of a stage gets the shape of its output: `"conv"` by a 1x1
            convolution, `"pad"` by subsampling and zero channels (option A of He et al.).
        stages: The elastic stages.
    """

    resolutions: tuple[int, ...]
    stem_width: int
    block_kernels: Kernels
    inner_ratios: tuple[float, ...]
    shortcut: Literal["conv", "pad"]
    stages: tuple[ResNetStage, ...]


class ResNetSpace(SearchSpace):
    """Stem, elastic stages of residual blocks, pooling, classifier.

    Args:
        name: Name of the space.
        shape: Fixed sizes, and the values of the elastic ones.
        image_channels: Channels of the input image.
        classes: Outputs of the classifier.

    Raises:
        ValueError: If `shortcut` is `"pad"` and a stage has several widths.
    """

    def __init__(self, name: str, shape: ResNetShape, image_channels: int, classes: int) -> None:
        self.shape = shape
        if shape.shortcut == "pad" and any(len(stage.widths) > 1 for stage in shape.stages):
            raise ValueError(f"the stages of space {name!r} must have one width each for its shortcuts to be padded")
        super().__init__(name, _choices(shape), _slots(shape, image_channels, classes), _nodes(shape))

    def decode(self, genes: Genes) -> Architecture:
        """The architecture of one gene vector of shape (d,)."""
        value = self.decode_values(genes)
        kernel = max(self.shape.block_kernels)
        stages = tuple(
            tuple(
                ConvBlock(int(value[f"{s}.width"]), kernel, float(value[f"{s}.{j}.ratio"]))
                for j in range(int(value[f"{s}.depth"]))
            )
            for s in range(len(self.shape.stages))
        )
        return Architecture(self.name, int(value["resolution"]), stages)

    def encode(self, architecture: Architecture) -> Genes:
        """The canonical gene vector, shape (d,), of an architecture of this space; see `SearchSpace.encode`."""
        self.check(architecture)
        values: dict[str, Value] = {"resolution": architecture.resolution}
        for s, blocks in enumerate(architecture.stages):
            values[f"{s}.depth"] = len(blocks)
            for j, block in enumerate(blocks):
                if not isinstance(block, ConvBlock) or block.width != getattr(blocks[0], "width", None):
                    raise ValueError(f"stage {s} of space {self.name!r} needs ConvBlocks of one width, got {blocks}")
                values[f"{s}.width"] = block.width
                values[f"{s}.{j}.ratio"] = block.expand_ratio
        return self.encode_values(values, architecture)


def _choices(shape: ResNetShape) -> list[Choice]:
    choices = [Choice("resolution", shape.resolutions)]
    for s, stage in enumerate(shape.stages):
        choices.append(Choice(f"{s}.depth", stage.depths))
        choices.append(Choice(f"{s}.width", stage.widths))
        for j in range(max(stage.depths)):
            present = (f"{s}.depth", tuple(depth for depth in stage.depths if depth > j))
            choices.append(Choice(f"{s}.{j}.ratio", shape.inner_ratios, present))
    return choices


def _slots(shape: ResNetShape, image_channels: int, classes: int) -> list[LayerSlot]:
    def stem(values: Sequence[Value]) -> LayerSpec:
        width = shape.stem_width
        return LayerSpec.conv("stem", Convolution.square(image_channels, width, 3), int(values[0]), activation="relu")

    def classifier(values: Sequence[Value]) -> LayerSpec:
        return LayerSpec.linear("classifier", int(values[0]), classes)

    slots, reduction = [LayerSlot("stem", ("resolution",), stem)], 1
    for s, stage in enumerate(shape.stages):
        for j in range(max(stage.depths)):
            block = _Block(shape, s, j, reduction)
            slots += block.slots()
            reduction *= block.stride
    return [*slots, LayerSlot("classifier", (f"{len(shape.stages) - 1}.width",), classifier)]


def _nodes(shape: ResNetShape) -> list[Node]:
    nodes = [*make_chain(["stem"])]
    for s, stage in enumerate(shape.stages):
        for j in range(max(stage.depths)):
            nodes += _Block(shape, s, j, 1).nodes(nodes[-1].name)
    return [*nodes, Node("pool", GlobalPool(), (nodes[-1].name,)), make_slot("classifier", "pool")]


@dataclass(frozen=True)
class _Block:
    """One residual block: its convolutions and, at the start of a stage, its shortcut.

    Attributes:
        shape: Shape of the family.
        stage: Index of its stage.
        index: Index of the block within its stage.
        reduction: Factor by which its input is smaller than the images.
    """

    shape: ResNetShape
    stage: int
    index: int
    reduction: int

    @property
    def stride(self) -> int:
        return self.shape.stages[self.stage].stride if self.index == 0 else 1

    @property
    def _genes(self) -> tuple[str, ...]:
        """Genes that decide the layers of the block: the last one, if it is there, is the width of the stage before."""
        before = (f"{self.stage - 1}.width",) if self.index == 0 and self.stage > 0 else ()
        return ("resolution", f"{self.stage}.depth", f"{self.stage}.width", f"{self.stage}.{self.index}.ratio", *before)

    @property
    def _projects(self) -> bool:
        return self.index == 0 and self.shape.shortcut == "conv"

    def slots(self) -> list[LayerSlot]:
        parts = list(range(1, len(self.shape.block_kernels) + 1))
        slots = [LayerSlot(f"{self._name}.conv{part}", self._genes, self._convolution(part)) for part in parts]
        if self._projects:
            slots.append(LayerSlot(f"{self._name}.shortcut", self._genes, self._shortcut))
        return slots

    def nodes(self, before: str) -> list[Node]:
        """The convolutions in turn, their sum with the shortcut, and its activation."""
        nodes: list[Node] = []
        for part in range(1, len(self.shape.block_kernels) + 1):
            nodes.append(make_slot(f"{self._name}.conv{part}", nodes[-1].name if nodes else before))
        residual = nodes[-1].name
        nodes += self._shortcut_nodes(before)
        shortcut = before if nodes[-1].name == residual else nodes[-1].name
        added = Node(f"{self._name}.add", Add(), (residual, shortcut))
        return [*nodes, added, Node(f"{self._name}.relu", RELU, (added.name,))]

    def _shortcut_nodes(self, before: str) -> list[Node]:
        """The nodes of the shortcut; none if it is the input itself."""
        if self._projects:
            return [make_slot(f"{self._name}.shortcut", before)]
        nodes = []
        if self.stride > 1:  # windows of one pixel, of which the maximum is the pixel itself
            sides = (self.stride, self.stride)
            nodes.append(Node(f"{self._name}.subsample", Pool("max", (1, 1), sides, (0, 0)), (before,)))
        widths = self.shape.stages[self.stage - 1].widths if self.stage else (self.shape.stem_width,)
        if self.index == 0 and widths != self.shape.stages[self.stage].widths:
            more = self.shape.stages[self.stage].widths[0] - widths[0]
            padding = ((more // 2, more - more // 2), (0, 0), (0, 0))
            nodes.append(Node(f"{self._name}.pad", Pad(padding), (nodes[-1].name if nodes else before,)))
        return nodes

    @property
    def _name(self) -> str:
        return f"stages.{self.stage}.{self.index}"

    def _widths(self, values: Sequence[Value]) -> tuple[int, int, int, int]:
        """Input size and input, inner and output channels."""
        out = int(values[2])
        before = int(values[4]) if len(values) > 4 else (self.shape.stem_width if self.index == 0 else out)
        inner = round_channels(out * float(values[3]))
        return -(-int(values[0]) // self.reduction), before, inner, out

    def _convolution(self, part: int) -> LayerFunction:
        kernels = self.shape.block_kernels
        last, strided = part == len(kernels), kernels.index(3) + 1  # the first 3x3 convolution has the stride
        activation = None if last else "relu"

        def layer(values: Sequence[Value]) -> LayerSpec | None:
            if self.index >= int(values[1]):
                return None
            size, before, inner, out = self._widths(values)
            size = size if part <= strided else -(-size // self.stride)
            channels = (before if part == 1 else inner, out if last else inner)
            stride = self.stride if part == strided else 1
            name = f"{self._name}.conv{part}"
            convolution = Convolution.square(*channels, kernels[part - 1], stride)
            return LayerSpec.conv(name, convolution, size, activation=activation)

        return layer

    def _shortcut(self, values: Sequence[Value]) -> LayerSpec | None:
        if self.index >= int(values[1]):
            return None
        size, before, _, out = self._widths(values)
        return LayerSpec.conv(f"{self._name}.shortcut", Convolution.square(before, out, 1, self.stride), size)
