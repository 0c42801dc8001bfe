"""Puts what `nas.data` does with the pixels of an image into an ONNX model, which then reads images as they are.

The model reads unsigned bytes of any height and width, as Pillow and cameras give them. What came of an image file
before (its orientation, transparency and colours) is not part of it. All nodes are of opset 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from nas.data.normalization import Normalization
from nas.data.reading import Fit

PIXELS = "pixels"  # name of the input, unless the network has one that begins so
_SHARPNESS = -0.5  # of Pillow's bicubic filter, its parameter `a` (Keys, 1981)
_CHANNELS = (1, 3)
_RED, _GREEN, _BLUE = 19_595, 38_470, 7_471  # shares of grey in 65,536ths, as Pillow has them (ITU-R BT.601)
_OF_FLOATS = ("mean", "std")  # notes on how pixels become inputs, which the model does itself
_NOTE = "uint8, shape (batch, height, width, channels): {} pixels from 0 to 255, of any height and width"
_DOUBLE = TensorProto.DOUBLE  # of weights: thousands of pixels and small parts of one have too many digits for a float


@dataclass(frozen=True)
class PixelInputs:
    """How the pixels of an image become an input of a network.

    Attributes:
        normalization: By what pixels become inputs.
        side: Height and width in pixels to which images are decoded.
        resolution: Height and width in pixels of the inputs.
        fit: What becomes of images that are not square.
        ground: What they are padded with, RGB from 0 to 255.

    Raises:
        ValueError: If images have other channels than grey or RGB.
    """

    normalization: Normalization
    side: int
    resolution: int
    fit: Fit
    ground: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self) -> None:
        if self.channels not in _CHANNELS:
            raise ValueError(
                f"--images is for images of 1 or 3 channels, and those of this job have {self.channels}; leave it out"
            )

    @property
    def channels(self) -> int:
        """Number of channels: 1 is grey, 3 is RGB."""
        return len(self.normalization.mean)

    @property
    def padding(self) -> tuple[int, ...]:
        """The ground in each channel."""
        red, green, blue = self.ground
        return self.ground if self.channels > 1 else ((_RED * red + _GREEN * green + _BLUE * blue + (1 << 15)) >> 16,)


def read_pixels(content: bytes, inputs: PixelInputs) -> bytes:
    """A model that reads pixels, uint8, shape (batch, height, width, channels), and computes what it did of them.

    Images that are no taller than wide become the bytes that Pillow makes of them, but where it rounds a tie otherwise;
    those that are taller, which it shrinks in the other order, are within 2 of 255, and 0.2 on average.

    Args:
        content: A model with one input, shape (batch, channels, resolution, resolution).
        inputs: How pixels become that.
    """
    model = onnx.load_from_string(content)
    (read,) = model.graph.input
    batch = read.type.tensor_type.shape.dim[0]
    shape = [batch.dim_value or batch.dim_param, "height", "width", inputs.channels]
    builder = _Builder(_find_free_prefix(model.graph))
    builder.convert(inputs, read.name)
    before = [*model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend([*builder.nodes, *before])
    model.graph.initializer.extend(builder.constants)
    notes = {entry.key: entry.value for entry in model.metadata_props if entry.key not in _OF_FLOATS}
    helper.set_model_props(model, {**notes, "inputs": _NOTE.format("grey" if inputs.channels == 1 else "RGB")})
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info(builder.prefix, TensorProto.UINT8, shape))
    return model.SerializeToString()


class PixelNetwork(nn.Module):
    """What a model that reads pixels is to compute, for images of the size to which they are decoded.

    Args:
        network: From inputs to outputs, shape (batch, outputs).
        inputs: How pixels become its inputs.
    """

    def __init__(self, network: nn.Module, inputs: PixelInputs) -> None:
        super().__init__()
        self.network, self.inputs = network, inputs

    def forward(self, images: Tensor) -> Tensor:
        """Outputs of the network for images, uint8, shape (batch, side, side, channels)."""
        pixels = self.inputs.normalization.inputs(images.permute(0, 3, 1, 2), self.inputs.resolution)
        outputs: Tensor = self.network(pixels)
        return outputs


class _Builder:
    """Nodes and constants, in order.

    Args:
        prefix: Of the names of all values and nodes, and the name of the input.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def convert(self, inputs: PixelInputs, output: str) -> None:
        """Adds the nodes from the pixels to the value `output`, in the order of `nas.data`."""
        images = self._add("Transpose", self.prefix, perm=[0, 3, 1, 2])
        size = self._add("Cast", self._add("Shape", images), to=_DOUBLE)
        height, width = (self._add("Gather", size, self._keep([axis], np.int64)) for axis in (2, 3))
        shorter, side = self._add("Min", height, width), self._keep(inputs.side, np.float64)
        used = (shorter, shorter) if inputs.fit == "crop" else (height, width)
        new = (side, side)
        if inputs.fit == "pad":
            new = (self._shorten(height, width, side), self._shorten(width, height, side))
        there = [self._place(count, inputs.side, side) for count in new]
        down, across = (self._weigh(*axis) for axis in zip((height, width), used, new, there, strict=True))
        values = self._add("Cast", images, to=TensorProto.FLOAT)
        values = self._to_bytes(self._add("MatMul", values, self._add("Transpose", across, perm=[1, 0])))
        values = self._to_bytes(self._add("MatMul", down, values))  # Pillow keeps bytes between both, too
        if inputs.fit == "pad":
            filled = self._add("Mul", there[0][1], self._add("Transpose", there[1][1], perm=[1, 0]))
            empty = self._add("Cast", self._add("Sub", self._keep(1.0, np.float64), filled), to=TensorProto.FLOAT)
            ground = self._keep(np.reshape(inputs.padding, (1, -1, 1, 1)))
            values = self._add("Add", values, self._add("Mul", ground, empty))
        normalization = inputs.normalization
        mean, std = (self._keep(np.reshape(part, (1, -1, 1, 1))) for part in (normalization.mean, normalization.std))
        values = self._add("Sub", self._add("Div", values, self._keep(255.0)), mean)
        if inputs.resolution == inputs.side:
            self._add("Div", values, std, output=output)
            return
        fixed = _interpolate(inputs.side, inputs.resolution)
        values = self._add("MatMul", self._add("Div", values, std), self._keep(fixed.T))
        self._add("MatMul", self._keep(fixed), values, output=output)

    def _shorten(self, length: str, other: str, side: str) -> str:
        """How many pixels an axis has in an image that is to fit into a square: all, unless the other one is longer."""
        shortened = self._add("Round", self._add("Mul", self._add("Div", length, other), side))
        return self._add("Max", self._add("Min", shortened, side), self._keep(1.0, np.float64))

    def _place(self, new: str, side: int, whole: str) -> tuple[str, str]:
        """Where the pixels of an axis lie among the new ones, which are in its middle.

        Args:
            new: How many pixels it has, double.
            side: How many there are.
            whole: The same, double.

        Returns:
            The middle of each, counted from the first of the new ones, and whether it is one of these, 1 or 0, both
            double, shape (side, 1).
        """
        half, zero = self._keep(0.5, np.float64), self._keep(0.0, np.float64)
        before = self._add("Round", self._add("Mul", self._add("Sub", whole, new), half))
        middles = self._add("Sub", self._keep(np.arange(side)[:, None] + 0.5, np.float64), before)
        within = self._add("And", self._add("Less", zero, middles), self._add("Less", middles, new))
        return middles, self._add("Cast", within, to=_DOUBLE)

    def _weigh(self, length: str, used: str, new: str, place: tuple[str, str]) -> str:
        """The weights that the pixels of an axis have in each of the new ones, float, shape (side, length).

        They are those of Pillow: a bicubic filter, as wide as the pixels that become one.

        Args:
            length: The number of pixels, double, shape (1,).
            used: How many of them, in the centre, become the new ones.
            new: The number of these.
            place: Where they lie; weights of pixels that are none of them are 0.
        """
        half, one, two = (self._keep(number, np.float64) for number in (0.5, 1.0, 2.0))
        middles, within = place
        scale = self._add("Div", used, new)
        left = self._add("Mul", self._add("Sub", length, used), half)
        centres = self._add("Add", self._add("Mul", middles, scale), left)
        axes = self._keep([0], np.int64)
        end = self._add("Squeeze", length, axes)
        positions = self._add("Range", self._keep(0.0, np.float64), end, one)
        away = self._add("Sub", self._add("Add", positions, half), centres)
        away = self._add("Abs", self._add("Div", away, self._add("Max", scale, one)))  # in pixels of the coarser grid
        near = self._polynomial(away, _SHARPNESS + 2, -(_SHARPNESS + 3), 0.0, 1.0)
        far = self._polynomial(away, *(_SHARPNESS * factor for factor in (1.0, -5.0, 8.0, -4.0)))
        is_near, is_there = (self._add("Cast", self._add("Less", away, end), to=_DOUBLE) for end in (one, two))
        rest = self._add("Mul", far, self._add("Sub", is_there, is_near))
        weights = self._add("Mul", self._add("Add", self._add("Mul", near, is_near), rest), within)
        total = self._add("ReduceSum", weights, self._keep([1], np.int64), keepdims=1)
        total = self._add("Add", total, self._add("Sub", one, within))  # of weights that are all 0: not to divide by 0
        return self._add("Cast", self._add("Div", weights, total), to=TensorProto.FLOAT)

    def _polynomial(self, values: str, *factors: float) -> str:
        """A polynomial of values, by its factors from the highest power on."""
        found = self._keep(factors[0], np.float64)
        for factor in factors[1:]:
            found = self._add("Add", self._add("Mul", found, values), self._keep(factor, np.float64))
        return found

    def _to_bytes(self, values: str) -> str:
        """Values as Pillow keeps them: whole numbers from 0 to 255."""
        rounded = self._add("Floor", self._add("Add", values, self._keep(0.5)))  # a half up, as Pillow does
        return self._add("Clip", rounded, self._keep(0.0), self._keep(255.0))

    def _keep(self, value: ArrayLike, kind: type[np.generic] = np.float32) -> str:
        name = f"{self.prefix}_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def _add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = f"{self.prefix}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output or name], name=name, **attributes))
        return output or name


def _find_free_prefix(graph: onnx.GraphProto) -> str:
    """What no name in a graph begins with: `pixels`, or this with underscores behind it."""
    names = [entry.name for entry in (*graph.input, *graph.initializer, *graph.node)]
    names += [name for node in graph.node for name in node.output]
    prefix = PIXELS
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix


def _interpolate(side: int, resolution: int) -> NDArray[np.float32]:
    """The weights by which torch interpolates between pixels of an axis, shape (resolution, side)."""
    each = torch.eye(side)[None, None]
    between = F.interpolate(each, (resolution, side), mode="bilinear", align_corners=False, antialias=True)
    weights: NDArray[np.float32] = between[0, 0].numpy()
    return weights
