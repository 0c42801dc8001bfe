"""One layer of a network as a module: weighted operator, normalisation, activation and quantisers.

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
    """An operator with its weight and its bias, if it has one, as parameters; initialised like the layers of torch.

    Args:
        operator: A convolution, linear layer or embedding.
        device: Torch device of its parameters; `"meta"` allocates no memory for them.
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
        """The output, computed with `weight` in place of its own weight unless that is None."""
        own = self.weight if weight is None else weight
        return run_operator(self.operator, [inputs], [own] if self.bias is None else [own, self.bias])


class Layer(nn.Module):
    """A convolution or linear layer as hardware runs it, fused with its normalisation and activation.

    A quantised layer rounds its weight, its input and its output. The output quantiser stands where a device rescales
    its accumulators: after a ReLU, which it absorbs, and before any other activation.

    Args:
        spec: Description of the layer.
        policy: How the layer is compressed; None leaves it as it is.
        device: Torch device of its parameters; `"meta"` allocates no memory for them.

    Attributes:
        log_weight_step: Logarithm of the learnt step of double rounding, shape (out_channels,), which serves all
            bit-widths below 32. If it is None, a quantiser chooses the steps.
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
        """Makes the step of the weights a parameter, initialised so that the present weights fit `lowest_bits`."""
        self.log_weight_step = nn.Parameter(initial_step(self.op.weight, lowest_bits).log())

    @property
    def weight_step(self) -> Tensor | None:
        """The learnt step of double rounding, shape (out_channels,); None if no step is learnt."""
        return None if self.log_weight_step is None else self.log_weight_step.exp()

    def quantize(self, policy: LayerPolicy, quantizer: Quantizer = REFERENCE) -> None:
        """Sets new, uncalibrated quantisers for a policy.

        Args:
            policy: The bits of weights and activations.
            quantizer: Chooses the steps of the weight, unless the layer has a learnt step.

        Raises:
            ValueError: If the policy says more than bits, which the layers of a supernet cannot follow.
        """
        if not policy.is_of_bits_alone:
            raise ValueError(
                f"low rank, corrections, sparsity and groups are for given networks, not for layers of a supernet; "
                f"got {policy}"
            )
        self.policy = policy
        self.register_buffer("_rounded", None, persistent=False)  # a buffer moves with the layer to another device
        self.weight_quantizer = WeightQuantizer(policy.weight_bits, quantizer)
        self.input_quantizer = ActivationQuantizer(policy.activation_bits)
        self.output_quantizer = ActivationQuantizer(policy.activation_bits)

    @torch.no_grad()
    def keep_rounded_weight(self) -> None:
        """Rounds the weight now and keeps the result until `quantize` is called; meanwhile it must not change."""
        # detached, as at 32 bits it would be the parameter itself, and a second one under this name
        self._rounded = self.weight_quantizer(self.op.weight, self.weight_step).detach()

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
