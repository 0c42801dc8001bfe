"""The MobileNetV3 family in once-for-all form: elastic resolution, depth, kernel and expansion.

Source: Cai et al., "Once-for-All", ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from search_spaces.candidate import Architecture, ConvBlock
from search_spaces.choices import Choice, Value
from search_spaces.dataflow import make_chain, make_slot
from search_spaces.layer_slot import LayerSlot
from search_spaces.layer_spec import LayerSpec, round_channels
from search_spaces.network_graph import Node
from search_spaces.operators.arrangement import Flatten, GlobalPool
from search_spaces.operators.products import Add, Multiply
from search_spaces.operators.weighted import Convolution
from search_spaces.search_space import Genes, SearchSpace


@dataclass(frozen=True)
class MobileStage:
    """A stage of inverted bottlenecks with `width` output channels; only its first block has the stride, others 1."""

    width: int
    stride: int
    activation: str
    squeeze_excite: bool


@dataclass(frozen=True)
class MobileNetV3Shape:
    """Everything about a MobileNetV3 family that is not elastic, and the values of what is.

    Attributes:
        resolutions: Sizes of the square input images in pixels, to choose from.
        depths: Numbers of blocks of a stage to choose from.
        kernel_sizes: Sizes of the depthwise kernels to choose from.
        expand_ratios: Ratios of inner to input channels of a block to choose from.
        stem_width: Channels of the stem and of the fixed first block.
        stem_stride: Stride of the stem.
        stages: The elastic stages.
        head_width: Channels of the last convolution before pooling.
        feature_width: Features between pooling and classifier.
    """

    resolutions: tuple[int, ...]
    depths: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    expand_ratios: tuple[int, ...]
    stem_width: int
    stem_stride: int
    stages: tuple[MobileStage, ...]
    head_width: int
    feature_width: int


class MobileNetV3Space(SearchSpace):
    """Stem, a fixed first block, elastic stages of inverted bottlenecks, head.

    Args:
        name: Name of the space.
        shape: Fixed sizes, and the values of the elastic ones.
        image_channels: Channels of the input image.
        classes: Outputs of the classifier.
    """

    def __init__(self, name: str, shape: MobileNetV3Shape, image_channels: int, classes: int) -> None:
        self.shape = shape
        super().__init__(name, _choices(shape), _slots(shape, image_channels, classes), _nodes(shape))

    def decode(self, genes: Genes) -> Architecture:
        """The architecture of one gene vector of shape (d,)."""
        value = self.decode_values(genes)
        stages = tuple(
            tuple(
                ConvBlock(stage.width, int(value[f"{s}.{j}.kernel"]), float(value[f"{s}.{j}.expand"]))
                for j in range(int(value[f"{s}.depth"]))
            )
            for s, stage in enumerate(self.shape.stages)
        )
        return Architecture(self.name, int(value["resolution"]), stages)

    def encode(self, architecture: Architecture) -> Genes:
        """The canonical gene vector, shape (d,), of an architecture of this space; see `SearchSpace.encode`."""
        self.check(architecture)
        values: dict[str, Value] = {"resolution": architecture.resolution}
        for s, blocks in enumerate(architecture.stages):
            values[f"{s}.depth"] = len(blocks)
            for j, block in enumerate(blocks):
                if not isinstance(block, ConvBlock):
                    raise ValueError(f"space {self.name!r} is made of ConvBlocks, got {block}")
                values[f"{s}.{j}.kernel"] = block.kernel_size
                values[f"{s}.{j}.expand"] = block.expand_ratio
        return self.encode_values(values, architecture)


def _choices(shape: MobileNetV3Shape) -> list[Choice]:
    choices = [Choice("resolution", shape.resolutions)]
    for s in range(len(shape.stages)):
        choices.append(Choice(f"{s}.depth", shape.depths))
        for j in range(max(shape.depths)):
            present = (f"{s}.depth", tuple(depth for depth in shape.depths if depth > j))
            choices.append(Choice(f"{s}.{j}.kernel", shape.kernel_sizes, present))
            choices.append(Choice(f"{s}.{j}.expand", shape.expand_ratios, present))
    return choices


def _slots(shape: MobileNetV3Shape, image_channels: int, classes: int) -> list[LayerSlot]:
    stem, stride = shape.stem_width, shape.stem_stride

    def fixed(layer: LayerSpec, reduction: int) -> LayerSlot:
        """The slot of a layer of every network, whose input is `reduction` times smaller than images (0: a pixel)."""

        def at(values: Sequence[Value]) -> LayerSpec:
            side = -(-int(values[0]) // reduction) if reduction else 1
            return replace(layer, input_shape=(layer.input_shape[0], *[side] * (len(layer.input_shape) - 1)))

        return LayerSlot(layer.name, ("resolution",), at)

    slots = [
        fixed(LayerSpec.conv("stem", Convolution.square(image_channels, stem, 3, stride), activation="hard_swish"), 1),
        fixed(LayerSpec.conv("first.depthwise", Convolution.square(stem, stem, 3, 1, stem), activation="relu"), stride),
        fixed(LayerSpec.conv("first.project", Convolution.square(stem, stem)), stride),
    ]
    width, reduction = stem, stride
    for s, stage in enumerate(shape.stages):
        for j in range(max(shape.depths)):
            block = _Block(s, j, width if j == 0 else stage.width, reduction, stage)
            slots += block.slots()
            reduction *= block.stride
        width = stage.width
    head, feature = shape.head_width, shape.feature_width
    pooled = LayerSpec.conv("feature", Convolution.square(head, feature), normalized=False, activation="hard_swish")
    return [
        *slots,
        fixed(LayerSpec.conv("head", Convolution.square(width, head), activation="hard_swish"), reduction),
        fixed(pooled, 0),
        fixed(LayerSpec.linear("classifier", feature, classes), 0),
    ]


def _nodes(shape: MobileNetV3Shape) -> list[Node]:
    nodes = [*make_chain(["stem"]), *_bottleneck_nodes("first", ("depthwise", "project"), "stem", residual=True)]
    width = shape.stem_width
    for s, stage in enumerate(shape.stages):
        for j in range(max(shape.depths)):
            block = _Block(s, j, width if j == 0 else stage.width, 1, stage)
            residual = block.stride == 1 and block.in_width == stage.width
            nodes += _bottleneck_nodes(block.name, block.parts, nodes[-1].name, residual)
        width = stage.width
    return [
        *nodes,
        make_slot("head", nodes[-1].name),
        Node("pool", GlobalPool(keep=True), ("head",)),
        make_slot("feature", "pool"),
        Node("flatten", Flatten(), ("feature",)),
        make_slot("classifier", "flatten"),
    ]


def _bottleneck_nodes(block: str, parts: Sequence[str], before: str, residual: bool) -> list[Node]:
    """The nodes of an inverted bottleneck that reads the value `before`, and adds it to its output if `residual`."""
    nodes = [make_slot(f"{block}.expand", before)] if "expand" in parts else []
    nodes.append(make_slot(f"{block}.depthwise", nodes[-1].name if nodes else before))
    if "squeeze" in parts:
        gated = nodes[-1].name
        nodes += [
            Node(f"{block}.pool", GlobalPool(keep=True), (gated,)),
            make_slot(f"{block}.squeeze", f"{block}.pool"),
            make_slot(f"{block}.excite", f"{block}.squeeze"),
            Node(f"{block}.gate", Multiply(), (gated, f"{block}.excite")),
        ]
    nodes.append(make_slot(f"{block}.project", nodes[-1].name))
    return [*nodes, Node(f"{block}.add", Add(), (nodes[-1].name, before))] if residual else nodes


@dataclass(frozen=True)
class _Block:
    """One inverted bottleneck, of index `index` in its stage; its input is `reduction` times smaller than images."""

    stage_index: int
    index: int
    in_width: int
    reduction: int
    stage: MobileStage

    @property
    def stride(self) -> int:
        return self.stage.stride if self.index == 0 else 1

    @property
    def name(self) -> str:
        return f"stages.{self.stage_index}.{self.index}"

    @property
    def parts(self) -> tuple[str, ...]:
        gate = ("squeeze", "excite") if self.stage.squeeze_excite else ()
        return ("expand", "depthwise", *gate, "project")

    def slots(self) -> list[LayerSlot]:
        prefix = f"{self.stage_index}.{self.index}"
        genes = ("resolution", f"{self.stage_index}.depth", f"{prefix}.kernel", f"{prefix}.expand")
        return [self._slot(part, genes if part == "depthwise" else (*genes[:2], genes[3])) for part in self.parts]

    def _slot(self, part: str, genes: tuple[str, ...]) -> LayerSlot:
        def layer(values: Sequence[Value]) -> LayerSpec | None:
            resolution, depth, expand = int(values[0]), int(values[1]), float(values[-1])
            kernel = int(values[2]) if part == "depthwise" else 1
            return None if self.index >= depth else self._layer(part, resolution, kernel, expand)

        return LayerSlot(f"{self.name}.{part}", genes, layer)

    def _layer(self, part: str, resolution: int, kernel: int, expand: float) -> LayerSpec:
        inner = round_channels(self.in_width * expand)
        widths, size = (self.in_width, inner, self.stage.width), -(-resolution // self.reduction)
        layers = make_inverted_bottleneck(widths, kernel, self.stride, size, self.stage.activation)
        return replace(layers[part], name=f"{self.name}.{part}")


def make_inverted_bottleneck(
    widths: tuple[int, int, int], kernel: int, stride: int, size: int, activation: str
) -> dict[str, LayerSpec]:
    """The layers of an inverted bottleneck by part, in order, without names.

    Args:
        widths: Input, inner and output channels.
        kernel: Size of the depthwise kernel.
        stride: Stride of the depthwise convolution.
        size: Height and width of the input feature map in pixels.
        activation: Activation function after the expansion and after the depthwise convolution.
    """
    before, inner, after = widths
    squeezed = round_channels(inner / 4)  # the reduction of MobileNetV3 (Howard et al., ICCV 2019)
    depthwise = Convolution.square(inner, inner, kernel, stride, groups=inner)
    return {
        "expand": LayerSpec.conv("", Convolution.square(before, inner), size, activation=activation),
        "depthwise": LayerSpec.conv("", depthwise, size, activation=activation),
        "squeeze": _gate_layer(inner, squeezed, "relu"),
        "excite": _gate_layer(squeezed, inner, "hard_sigmoid"),
        "project": LayerSpec.conv("", Convolution.square(inner, after), -(-size // stride)),
    }


def _gate_layer(in_channels: int, out_channels: int, activation: str) -> LayerSpec:
    """One of the two layers that compute the factors of squeeze-and-excite from pooled channels."""
    convolution = Convolution.square(in_channels, out_channels, bias=True)
    return LayerSpec.conv("", convolution, normalized=False, activation=activation)
