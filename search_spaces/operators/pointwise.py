"""Operators that keep the shape: normalisations, activations and softmax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from search_spaces.operators.attributes import Axis, Count, NonNegative, Size, check_attributes
from search_spaces.operators.operator import Operator, Shape, check_inputs

ACTIVATIONS = (
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "hard_swish",
    "hard_sigmoid",
    "gelu",
    "gelu_tanh",
    "silu",
    "mish",
    "sigmoid",
    "softplus",
    "tanh",
)
_SLOPED = ("leaky_relu", "elu")


@dataclass(frozen=True, slots=True)
class Activation(Operator):
    """An activation function.

    Attributes:
        function: One of `ACTIVATIONS`; `gelu` is the exact one, `gelu_tanh` its usual approximation.
        slope: What a `leaky_relu` or an `elu` multiplies by below zero (torch calls them `negative_slope` and `alpha`);
            None for all other functions.

    Raises:
        ValueError: If the function is unknown, if a `leaky_relu` or an `elu` has no slope, or another function has one.
    """

    name: ClassVar[str] = "activation"
    function: str
    slope: float | None = None

    def __post_init__(self) -> None:
        check_attributes(self)
        if self.function not in ACTIVATIONS or (self.slope is not None) != (self.function in _SLOPED):
            raise ValueError(
                f"an activation is one of {', '.join(ACTIVATIONS)}, with a slope if it is one of {', '.join(_SLOPED)}; "
                f"got {self.function!r} and slope {self.slope}"
            )

    def output_shape(self, *inputs: Shape) -> Shape:
        check_inputs(len(inputs) == 1, self, "one value", inputs)
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Softmax(Operator):
    """The softmax along an axis.

    Attributes:
        axis: The axis, counted from the end and so below 0.
    """

    name: ClassVar[str] = "softmax"
    axis: Axis = -1

    def output_shape(self, *inputs: Shape) -> Shape:
        check_inputs(
            len(inputs) == 1 and len(inputs[0]) >= -self.axis, self, f"one value with an axis {self.axis}", inputs
        )
        return inputs[0]


@dataclass(frozen=True, slots=True)
class BatchNorm(Operator):
    """Batch normalisation in evaluation mode (Ioffe and Szegedy, ICML 2015), by stored statistics.

    Attributes:
        channels: Number of channels of the input.
        axes: Number of spatial axes after the axis of the channels.
        eps: Added to the variance.
        affine: Whether a scale and a shift per channel follow.
    """

    name: ClassVar[str] = "batch_norm"
    channels: Size
    axes: Count = 2
    eps: NonNegative = 1e-5
    affine: bool = True

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        roles = ("weight", "bias", "mean", "variance") if self.affine else ("mean", "variance")
        return dict.fromkeys(roles, (self.channels,))

    def output_shape(self, *inputs: Shape) -> Shape:
        return _keep_channels(self, self.channels, self.axes, inputs)


@dataclass(frozen=True, slots=True)
class GroupNorm(Operator):
    """Group normalisation (Wu and He, ECCV 2018): over each group of channels and all spatial axes.

    Attributes:
        groups: Number of groups of channels.
        channels: Number of channels of the input.
        axes: Number of spatial axes after the axis of the channels.
        eps: Added to the variance.
        affine: Whether a scale and a shift per channel follow.

    Raises:
        ValueError: If the groups do not divide the channels.
    """

    name: ClassVar[str] = "group_norm"
    groups: Size
    channels: Size
    axes: Count = 2
    eps: NonNegative = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        check_attributes(self)
        if self.channels % self.groups:
            raise ValueError(f"the groups of a group norm must divide its channels; got {self}")

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        return dict.fromkeys(("weight", "bias") if self.affine else (), (self.channels,))

    def output_shape(self, *inputs: Shape) -> Shape:
        return _keep_channels(self, self.channels, self.axes, inputs)


@dataclass(frozen=True, slots=True)
class LayerNorm(Operator):
    """Layer normalisation (Ba et al., 2016) over the last axes.

    Attributes:
        shape: Sizes of the last axes, over which mean and variance are taken.
        eps: Added to the variance.
        scale: Whether a factor per element follows.
        shift: Whether a summand per element follows.
    """

    name: ClassVar[str] = "layer_norm"
    shape: Shape
    eps: NonNegative = 1e-5
    scale: bool = True
    shift: bool = True

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        return {role: self.shape for role, present in (("weight", self.scale), ("bias", self.shift)) if present}

    def output_shape(self, *inputs: Shape) -> Shape:
        return _keep_last(self, self.shape, inputs)


@dataclass(frozen=True, slots=True)
class RmsNorm(Operator):
    """Root-mean-square normalisation (Zhang and Sennrich, NeurIPS 2019) over the last axes.

    Attributes:
        shape: Sizes of the last axes, over which the mean square is taken.
        eps: Added to the mean square.
        scale: Whether a factor per element follows.
    """

    name: ClassVar[str] = "rms_norm"
    shape: Shape
    eps: NonNegative = 1e-6
    scale: bool = True

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        return {"weight": self.shape} if self.scale else {}

    def output_shape(self, *inputs: Shape) -> Shape:
        return _keep_last(self, self.shape, inputs)


def _keep_channels(operator: Operator, channels: int, axes: int, inputs: tuple[Shape, ...]) -> Shape:
    fits = len(inputs) == 1 and len(inputs[0]) > axes and inputs[0][-axes - 1] == channels
    check_inputs(fits, operator, f"one value of {channels} channels and {axes} axes", inputs)
    return inputs[0]


def _keep_last(operator: Operator, shape: Shape, inputs: tuple[Shape, ...]) -> Shape:
    fits = len(inputs) == 1 and inputs[0][-len(shape) :] == shape
    check_inputs(fits, operator, f"one value whose last axes are {shape}", inputs)
    return inputs[0]
