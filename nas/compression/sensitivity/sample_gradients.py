"""Gradients by the weight of a layer for each sample of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces.elastic.torch_forms import run_operator
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution, Linear


def compute_sample_gradients(
    operator: Operator, inputs: Tensor, gradient: Tensor, parameters: Sequence[Tensor], samples: int
) -> Tensor:
    """The gradient by the weight, for each sample.

    Args:
        operator: An operator with a weight.
        inputs: What it reads, shape (batch, ...).
        gradient: By what it writes, shape (batch, ...).
        parameters: Its stored tensors.
        samples: Number of samples of the batch. The first axis of the inputs has as many entries, or a multiple where a
            sample is cut into pieces, such as windows.

    Returns:
        Shape (samples, weights), in the order of `operator.weight_shape`; (1, weights), the sum over all samples, if
        the first axis does not tell them apart.
    """
    rows = samples if len(inputs) == len(gradient) and len(inputs) % samples == 0 else 1
    if isinstance(operator, Linear):
        x, y = (values.reshape(rows, -1, values.shape[-1]) for values in (inputs, gradient))
        return torch.bmm(y.transpose(1, 2), x).flatten(1)
    if isinstance(operator, Convolution) and not operator.transposed and inputs.dim() == len(operator.kernel) + 2:
        return _by_columns(operator, inputs, gradient, rows)
    pieces = zip(*(values.tensor_split(rows) for values in (inputs, gradient)), strict=True)
    return torch.stack([_by_autograd(operator, x, y, parameters) for x, y in pieces])


def _by_columns(operator: Convolution, inputs: Tensor, gradient: Tensor, rows: int) -> Tensor:
    """That of a convolution: a product of matrices for each sample, of what each position reads and its gradient."""
    if len(operator.kernel) == 1:
        inputs, gradient = inputs.unsqueeze(2), gradient.unsqueeze(2)
    kernel, stride, dilation = (
        (1,) * (2 - len(values)) + values for values in (operator.kernel, operator.stride, operator.dilation)
    )
    padding = [count for sides in reversed(operator.padding) for count in sides]
    if any(padding):
        inputs = F.pad(inputs, padding)
    batch, groups = len(inputs), operator.groups
    columns = F.unfold(inputs, kernel, dilation, 0, stride)
    y = gradient.reshape(batch * groups, operator.out_channels // groups, -1)
    found = torch.bmm(y, columns.reshape(batch * groups, -1, columns.shape[-1]).transpose(1, 2))
    return found.reshape(rows, batch // rows, -1).sum(1)


def _by_autograd(operator: Operator, inputs: Tensor, gradient: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """That of any operator, of a batch as a whole."""
    weight, *others = parameters
    weight = weight.detach().requires_grad_()
    with torch.enable_grad():
        output = run_operator(operator, [inputs], [weight, *others])
    (found,) = torch.autograd.grad(output, weight, gradient)
    return to_output_first(found, operator).flatten()
