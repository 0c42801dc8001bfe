"""Layer specifications: what spaces are made of, policies compress and devices are measured on.

Independent of families, of torch and of devices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Self

from search_spaces.operators.attributes import MOST
from search_spaces.operators.operator import Operator, Shape
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.weighted import Convolution, Linear

RELU = Activation("relu")


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One weighted layer together with the normalisation and activation that run fused with it.

    Attributes:
        name: Name of the module in the extracted network, which a `PolicyRule` can match. A `CompressionPolicy` is
            matched to layers by their order.
        operator: The operator that has the weight.
        input_shape: Shape of one input, without the batch axis: (channels, height, width) of an image.
        normalized: Whether batch normalisation follows.
        activation: The activation function that ends the unit; None if there is none.
        further_calls: Other places where the same weight is used, each without further calls of its own. Operations
            count at every call; the weight is stored once.

    Raises:
        ValueError: If the operator has no weight, or cannot read an input of that shape.
    """

    name: str
    operator: Operator
    input_shape: Shape
    normalized: bool = False
    activation: Activation | None = None
    further_calls: tuple[LayerSpec, ...] = ()

    def __post_init__(self) -> None:
        if self.operator.weight_shape is None:
            raise ValueError(f"a layer needs an operator with a weight, got {self.operator}")
        if not all(type(side) is int and 0 < side <= MOST for side in self.input_shape):
            raise ValueError(f"the sides of a layer's input must be whole numbers of 1 or more, got {self.input_shape}")
        self.operator.output_shape(self.input_shape)  # which refuses shapes that it cannot read

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        """Itself: networks are copied often, and what they are made of never changes."""
        return self

    @classmethod
    def conv(
        cls,
        name: str,
        convolution: Convolution,
        input_size: int = 1,
        normalized: bool = True,
        activation: str | None = None,
    ) -> LayerSpec:
        """A convolution of an input with equal sides, with batch normalisation and an activation function.

        Args:
            name: Name of the layer.
            convolution: The convolution, over one axis or two; `Convolution.square` makes the usual ones.
            input_size: Size of the input in every axis of the convolution, such as pixels.
            normalized: Whether batch normalisation follows.
            activation: Name of the function that ends the unit, one of `ACTIVATIONS`; None if there is none.
        """
        ending = None if activation is None else Activation(activation)
        input_shape = (convolution.in_channels, *[input_size] * len(convolution.kernel))
        return cls(name, convolution, input_shape, normalized, ending)

    @classmethod
    def linear(cls, name: str, in_features: int, out_features: int, bias: bool = True) -> LayerSpec:
        """A linear layer of one row of features, without normalisation and activation.

        Args:
            name: Name of the layer.
            in_features: Number of features that it reads.
            out_features: Number of features that it yields.
            bias: Whether it adds a bias.
        """
        return cls(name, Linear(in_features, out_features, bias), (in_features,))

    @property
    def output_shape(self) -> Shape:
        """Shape of one output, without the batch axis."""
        return self.operator.output_shape(self.input_shape)

    @property
    def weight_shape(self) -> Shape:
        """Shape of the weight, output channels first."""
        return self.operator.weight_shape or ()  # never (): every layer has a weight

    @property
    def out_channels(self) -> int:
        """Size of the first axis of the weight: output channels, or the rows of an embedding.

        A quantised weight has one step for each of them.
        """
        return self.weight_shape[0]

    @property
    def weights(self) -> int:
        """Number of weight elements, without bias and normalisation."""
        return prod(self.weight_shape)

    @property
    def parameters(self) -> int:
        """Number of trainable elements: weights, bias, and scale and shift of the normalisation."""
        return self.operator.parameters + 2 * self.out_channels * self.normalized

    @property
    def calls(self) -> tuple[LayerSpec, ...]:
        """Every place where the weight is used, in execution order, as a layer that is called once."""
        return (replace(self, further_calls=()), *self.further_calls) if self.further_calls else (self,)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one input; normalisation and activation are not counted."""
        return sum(call.operator.macs(call.input_shape) for call in self.calls)

    @property
    def output_elements(self) -> int:
        """Number of elements of the output of the first call, for one input.

        Latency tables measure every call as a layer of its own (see `calls`), so each of them is counted there.
        """
        return prod(self.output_shape)

    @property
    def unnamed(self) -> LayerSpec:
        """This layer without its name. Equal unnamed layers cost the same on a device, and are measured once."""
        return replace(self, name="", further_calls=tuple(call.unnamed for call in self.further_calls))

    def __str__(self) -> str:
        fused = ["batch_norm"] if self.normalized else []
        fused += [self.activation.function] if self.activation else []
        own = " + ".join([f"{self.operator} at {'x'.join(map(str, self.input_shape))}", *fused])
        return ", and ".join([own, *map(str, self.further_calls)])


def round_channels(channels: float, divisor: int = 8) -> int:
    """Rounds a number of channels as MobileNets do: to a multiple of a divisor, and never down by more than a tenth.

    Args:
        channels: Wished number of channels, positive; need not be whole.
        divisor: The result is a positive multiple of it.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
