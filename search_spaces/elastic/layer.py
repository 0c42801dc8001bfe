"""One layer of a network: weighted operation, normalisation, activation and its quantisers.

Independent of families and of supernets.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.double_rounding import initial_step
from search_spaces.elastic.quantizers import REFERENCE, ActivationQuantizer, WeightQuantizer
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.elastic.weight_steps import Quantizer
from search_spaces.layer_spec import RELU, LayerSpec
from search_spaces.operators.operator import Operator


class WeightedOperator(nn.Module):
    """An operator with a weight that is learnt, and perhaps a bias; initialised as torch initialises its own layers.

    Args:
        operator: A convolution, linear layer or embedding.
        device: Where its parameters live; `"meta"` allocates none.
    """

    bias: nn.Parameter | None

    def __init__(self, operator: Operator, device: str = "cpu") -> None:
        super().__init__()
        self.operator = operator
        shapes = operator.parameter_shapes
        self.weight = nn.Parameter(torch.empty(shapes["weight"], device=device))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.register_parameter("bias", None)
        if "bias" in shapes:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            self.bias = nn.Parameter(torch.empty(shapes["bias"], device=device).uniform_(-bound, bound))

    def forward(self, inputs: Tensor, weight: Tensor | None = None) -> Tensor:
        """The output for its own weight, or for another one in its place."""
        own = self.weight if weight is None else weight
        return run_operator(self.operator, [inputs], [own] if self.bias is None else [own, self.bias])


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
            32. None rounds in the steps of a quantiser.
    """

    log_weight_step: nn.Parameter | None
    _rounded: Tensor | None

    def __init__(self, spec: LayerSpec, policy: LayerPolicy | None = None, device: str = "cpu") -> None:
        super().__init__()
        self.spec = spec
        self.op = WeightedOperator(spec.operator, device)
        self.norm = nn.BatchNorm2d(spec.out_channels, device=device) if spec.normalized else nn.Identity()
        self.register_parameter("log_weight_step", None)
        self.quantize(policy or LayerPolicy())

    def learn_weight_step(self, lowest_bits: int) -> None:
        """Makes the step of the weights a new parameter, as the present weights and the fewest bits suggest it."""
        self.log_weight_step = nn.Parameter(initial_step(self.op.weight, lowest_bits).log())

    @property
    def weight_step(self) -> Tensor | None:
        """The learnt step of double rounding, shape (out_channels,), if there is one."""
        return None if self.log_weight_step is None else self.log_weight_step.exp()

    def quantize(self, policy: LayerPolicy, quantizer: Quantizer = REFERENCE) -> None:
        """Sets fresh, uncalibrated quantisers of the bits of a policy.

        Args:
            policy: The bits of weights and activations.
            quantizer: Chooses the steps of the weight; a learnt step stays, and comes before it.
        """
        self.policy = policy
        self.register_buffer("_rounded", None, persistent=False)  # goes with the layer to another device
        self.weight_quantizer = WeightQuantizer(policy.weight_bits, quantizer)
        self.input_quantizer = ActivationQuantizer(policy.activation_bits)
        self.output_quantizer = ActivationQuantizer(policy.activation_bits)

    @torch.no_grad()
    def keep_rounded_weight(self) -> None:
        """Rounds the weight once for all forward passes to come; until new quantisers are set, it must not change."""
        self._rounded = self.weight_quantizer(self.op.weight, self.weight_step)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.input_quantizer(inputs)
        weight = self._rounded
        if weight is None:
            weight = self.weight_quantizer(self.op.weight, self.weight_step)
        x = self.norm(self.op(x, weight))
        if self.spec.activation == RELU:
            return self.output_quantizer(x.relu_(), overwrite=True)
        x = self.output_quantizer(x, overwrite=True)
        return x if self.spec.activation is None else run_operator(self.spec.activation, [x])
