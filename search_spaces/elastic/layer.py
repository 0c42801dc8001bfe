"""One layer of a network: weighted operation, normalisation, activation and its quantisers.

In: a `LayerSpec` and a `LayerPolicy`. Out: a torch module that computes it. Knows no family and no supernet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.depthwise import depthwise_conv2d
from search_spaces.elastic.double_rounding import initial_step
from search_spaces.elastic.pointwise import pointwise_conv2d
from search_spaces.elastic.quantizers import ActivationQuantizer, WeightQuantizer
from search_spaces.layers import LayerSpec


class HardSigmoid(nn.Module):
    """The hard sigmoid, by an operation that, unlike torch's own, has a second derivative."""

    def forward(self, inputs: Tensor) -> Tensor:
        return F.relu6(inputs + 3) / 6


_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "relu": partial(nn.ReLU, inplace=True),
    "hard_swish": nn.Hardswish,
    "hard_sigmoid": HardSigmoid,
}


class Layer(nn.Module):
    """A convolution or linear layer as hardware runs it, fused with what follows.

    A quantised layer rounds its weight, its input and its output. The output quantiser stands where a device rescales
    its accumulators: after a ReLU, which it absorbs, and before any other activation.

    Args:
        spec: What the layer computes.
        policy: How it is compressed; only bits are applied here.
        device: Where its parameters live; `"meta"` allocates none.

    Attributes:
        log_weight_step: Logarithm of the learnt step of double rounding, shape (out_channels,); it serves all bits but
            32. None rounds in steps of the largest weight of each channel.
    """

    log_weight_step: nn.Parameter | None

    def __init__(self, spec: LayerSpec, policy: LayerPolicy | None = None, device: str = "cpu") -> None:
        super().__init__()
        self.spec = spec
        self.op: nn.Conv2d | nn.Linear
        if spec.kind == "linear":
            self.op = nn.Linear(spec.in_channels, spec.out_channels, spec.bias, device=device)
        else:
            self.op = nn.Conv2d(
                spec.in_channels,
                spec.out_channels,
                spec.kernel_size,
                spec.stride,
                spec.kernel_size // 2,
                groups=spec.groups,
                bias=spec.bias,
                device=device,
            )
        self.norm = nn.BatchNorm2d(spec.out_channels, device=device) if spec.normalized else nn.Identity()
        self.activation = _ACTIVATIONS[spec.activation]()
        self.register_parameter("log_weight_step", None)
        self.quantize(policy or LayerPolicy())

    def learn_weight_step(self, lowest_bits: int) -> None:
        """Makes the step of the weights a new parameter, as the present weights and the fewest bits suggest it."""
        self.log_weight_step = nn.Parameter(initial_step(self.op.weight, lowest_bits).log())

    @property
    def weight_step(self) -> Tensor | None:
        """The learnt step of double rounding, shape (out_channels,), if there is one."""
        return None if self.log_weight_step is None else self.log_weight_step.exp()

    def quantize(self, policy: LayerPolicy) -> None:
        """Sets fresh, uncalibrated quantisers of the bits of a policy; a learnt step stays."""
        self.policy = policy
        self.weight_quantizer = WeightQuantizer(policy.weight_bits)
        self.input_quantizer = ActivationQuantizer(policy.activation_bits)
        self.output_quantizer = ActivationQuantizer(policy.activation_bits)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.input_quantizer(inputs)
        weight = self.weight_quantizer(self.op.weight, self.weight_step)
        if isinstance(self.op, nn.Linear):
            x = F.linear(x, weight, self.op.bias)
        elif self.op.groups == self.op.in_channels == self.op.out_channels > 1:
            x = depthwise_conv2d(x, weight, self.op.bias, self.spec.stride, self.spec.kernel_size // 2)
        elif self.op.kernel_size == self.op.stride == (1, 1) and self.op.groups == 1:
            x = pointwise_conv2d(x, weight, self.op.bias)
        else:
            x = F.conv2d(x, weight, self.op.bias, self.op.stride, self.op.padding, 1, self.op.groups)
        x = self.norm(x)
        if self.spec.activation == "relu":
            return self.output_quantizer(self.activation(x))
        return self.activation(self.output_quantizer(x))
