"""Layer specifications: the pivot between spaces, policies and hardware.

In: nothing. Out: `LayerSpec`, a weighted layer with all that decides its cost. Knows no family, torch or device.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["conv", "linear"]
Activation = Literal["none", "relu", "hard_swish", "hard_sigmoid"]


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One weighted layer together with the normalisation and activation that run fused with it.

    Attributes:
        name: Name of the module in the extracted network; this is how a policy finds its layer.
        kind: `"conv"` (square kernel, padding `kernel_size // 2`) or `"linear"`.
        in_channels: Input channels (features of a linear layer).
        out_channels: Output channels (features of a linear layer).
        kernel_size: Side of the square kernel; 1 for a linear layer.
        stride: Stride of the convolution.
        groups: Groups of the convolution; equal to `in_channels` in a depthwise one.
        input_size: Side of the square input feature map in pixels; 1 for a linear layer.
        bias: Whether the layer itself adds a bias.
        normalized: Whether batch normalisation follows.
        activation: The activation function that ends the unit.
    """

    name: str
    kind: Kind
    in_channels: int
    out_channels: int
    kernel_size: int = 1
    stride: int = 1
    groups: int = 1
    input_size: int = 1
    bias: bool = False
    normalized: bool = True
    activation: Activation = "none"

    @property
    def output_size(self) -> int:
        """Side of the output feature map in pixels."""
        return -(-self.input_size // self.stride)

    @property
    def weights(self) -> int:
        """Weight elements, without bias and normalisation."""
        return self.out_channels * (self.in_channels // self.groups) * self.kernel_size**2

    @property
    def parameters(self) -> int:
        """Trainable elements: weights, bias, and scale and shift of the normalisation."""
        return self.weights + self.out_channels * (int(self.bias) + 2 * int(self.normalized))

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one input; normalisation and activation are not counted."""
        return self.weights * self.output_size**2

    @property
    def activations(self) -> int:
        """Elements of the output for one input."""
        return self.out_channels * self.output_size**2

    @property
    def shape(self) -> LayerSpec:
        """The same layer without its name: equal for all layers that cost the same on a device."""
        return replace(self, name="")

    def __str__(self) -> str:
        size = f"{self.kind} {self.kernel_size}x{self.kernel_size} s{self.stride} g{self.groups}"
        extras = f"{'+bn' if self.normalized else ''}{'+bias' if self.bias else ''}+{self.activation}"
        return f"{size} {self.in_channels}->{self.out_channels} at {self.input_size}px {extras}"


def round_channels(channels: float, divisor: int = 8) -> int:
    """Rounds a channel count to a multiple of `divisor`, never losing more than a tenth (MobileNet's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
