"""Importance of channels by layer-wise relevance propagation: what share of a prediction came through each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.compression.pruning.gated_network import find_summed_axis
from nas.compression.pruning.importance import Importance
from nas.compression.sensitivity.policy_runs import join_outputs
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.additive_cost import FloatArray
from search_spaces.channels.coupled_channels import FIXED, CoupledChannels
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.elastic.wiring import Walk
from search_spaces.network_graph import Node
from search_spaces.operators.arrangement import GlobalPool, Pool
from search_spaces.operators.operator import Operator
from search_spaces.operators.pointwise import Activation, BatchNorm
from search_spaces.operators.products import Add, Multiply
from search_spaces.operators.weighted import Convolution, Linear

_ARRANGING = ("reshape", "flatten", "transpose", "slice", "pad", "concatenate", "constant")
_SMALLEST = 1e-30  # sums below it are none, and pass their relevance on evenly or not at all


@dataclass(frozen=True)
class Relevance(Importance):
    """The relevance that layers which read a channel assign to it, summed over them, over positions and samples.

    The relevance of a prediction, 1, is passed back through the network. Each layer hands that of its outputs to its
    inputs by their shares in what adds to them (rule z+ of LRP, in all layers), a sum to its terms alike, and a gate to
    what it gates. So nothing is lost between two layers, but at biases that alone add to an output. It needs a few
    labelled samples of each class; without labels the predicted class counts. Scores of all groups can be compared.
    Source: Yeom et al., "Pruning by explaining", Pattern Recognition 2021, sections 3.1 and 3.2. Theirs are signed in
    linear layers (rule epsilon).
    """

    def score(self, subject: CompressionSubject, channels: CoupledChannels) -> FloatArray:
        """The mean relevance of a sample, shape (channels,).

        Raises:
            ValueError: If the subject has no data, or the network has operators that no rule passes relevance through.
        """
        data, found = subject.need_data(), np.zeros(channels.count)
        axes = {
            node.name: (axis, channels.values[node.inputs[0]][axis])
            for node in subject.traced.graph.nodes
            if (axis := find_summed_axis(node)) is not None
        }

        def see(name: str, relevance: Tensor) -> None:
            axis, numbers = axes[name]
            others = [one for one in range(relevance.dim()) if one != relevance.dim() + axis]
            sums = relevance.double().sum(others).cpu().numpy()
            np.add.at(found, numbers[numbers != FIXED], sums[numbers != FIXED])

        for inputs, labels in data.with_labels():
            propagate_relevance(subject.traced, inputs, labels, see)
        return found / len(data)


def propagate_relevance(
    traced: TracedNetwork, inputs: Tensor, labels: Tensor | None, see: Callable[[str, Tensor], None]
) -> Tensor:
    """Passes the relevance of predictions, 1 for each sample, back to the inputs.

    Args:
        traced: A network of one input.
        inputs: Its inputs, shape (batch, ...).
        labels: Class indices, shape (batch,), whose outputs are explained; None, or labels of another kind, for the
            largest outputs.
        see: Called with the name of each node that sums over channels, and the relevance of what it reads, shape
            (batch, ...).

    Returns:
        The relevance of the inputs, shape (batch, ...).

    Raises:
        ValueError: If the network has operators that no rule passes relevance through.
    """
    graph = traced.graph
    parameters = {name: tensor.detach() for name, tensor in traced.parameters.items()}
    signs = _find_signs(traced)
    start = inputs.detach().clone().requires_grad_()

    def run(node: Node, values: Sequence[Any]) -> Any:
        stored = [parameters[name] for name in node.parameters]
        if node.name in signs:
            weight = stored[0] * signs[node.name].view(-1, *[1] * (stored[0].dim() - 1))
            return _Weighted.apply(node, weight, stored, see, *values)  # type: ignore[no-untyped-call]
        return _run_weightless(node, values, stored)

    with torch.enable_grad():
        outputs = join_outputs(tuple(Walk(graph.nodes, graph.outputs)({graph.inputs[0][0]: start}, run)))
    flat = outputs.flatten(1)
    indexed = labels is not None and labels.dim() == 1 and not labels.is_floating_point()
    chosen = labels if indexed and labels is not None else flat.argmax(1)
    (found,) = torch.autograd.grad(flat, start, torch.zeros_like(flat).scatter_(1, chosen[:, None], 1.0))
    return found


def _find_signs(traced: TracedNetwork) -> Mapping[str, Tensor]:
    """By node that multiplies by a weight, the signs of the gains of the norm that follows, shape (out,)."""
    signs = {}
    for layer in traced.graph.layers:
        for unit in layer.units:
            operator = unit.call.operator
            if not isinstance(operator, Convolution | Linear) or getattr(operator, "transposed", False):
                raise ValueError(f"relevance is passed through convolutions and linear layers, got {operator}")
            sign = torch.ones(operator.weight_shape[0])
            if unit.norm is not None and isinstance(unit.norm.operator, BatchNorm) and unit.norm.operator.affine:
                sign = torch.sign(traced.parameters[unit.norm.parameters[0]].detach())
            signs[unit.call.name] = sign
    return signs


def _run_weightless(node: Node, values: Sequence[Any], stored: Sequence[Tensor]) -> Any:
    """The value of a node without a weight, with a gradient that is relevance."""
    operator = node.operator
    if isinstance(operator, Activation | BatchNorm):
        return _Passing.apply(operator, values[0], *stored)  # type: ignore[no-untyped-call]
    if isinstance(operator, Add):
        return _Sum.apply(*values)  # type: ignore[no-untyped-call]
    if isinstance(operator, Multiply):
        signal = max(range(2), key=lambda place: values[place].numel())
        return _Passing.apply(operator, values[signal], values[1 - signal].detach())  # type: ignore[no-untyped-call]
    if isinstance(operator, Pool | GlobalPool):
        return run_operator(operator, values) if operator.kind == "max" else _Mean.apply(operator, values[0])  # type: ignore[no-untyped-call]
    if operator.name in _ARRANGING:
        return run_operator(operator, values, stored)  # relevance goes where elements came from
    raise ValueError(
        f"relevance is not passed through operator {operator.name}; take another importance, such as taylor"
    )


class _Weighted(torch.autograd.Function):
    """A layer that hands relevance to what adds to its outputs."""

    @staticmethod
    def forward(ctx: Any, node: Node, weight: Tensor, stored: list[Tensor], see: Any, inputs: Tensor) -> Tensor:
        ctx.node, ctx.weight, ctx.see, ctx.inputs, ctx.extra = node, weight, see, inputs.detach(), stored[1:]
        return run_operator(node.operator, [inputs], stored)

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> tuple[Any, ...]:
        operator, nothing = ctx.node.operator, [torch.zeros_like(one) for one in ctx.extra]
        with torch.enable_grad():
            parts = [ctx.inputs.clamp_min(0).requires_grad_(), ctx.inputs.clamp_max(0).requires_grad_()]
            weights = [ctx.weight.clamp_min(0), ctx.weight.clamp_max(0)]
            total = sum(
                run_operator(operator, [part], [weight, *nothing]) for part, weight in zip(parts, weights, strict=True)
            )
        assert isinstance(total, Tensor)
        share = torch.where(total > _SMALLEST, relevance[0] / total.clamp_min(_SMALLEST), torch.zeros_like(total))
        gradients = torch.autograd.grad(total, parts, share)
        found = sum(part * one for part, one in zip(parts, gradients, strict=True))
        assert isinstance(found, Tensor)
        if find_summed_axis(ctx.node) is not None:
            ctx.see(ctx.node.name, found.detach())
        return None, None, None, None, found.detach()


class _Passing(torch.autograd.Function):
    """An operator that passes relevance on as it is."""

    @staticmethod
    def forward(ctx: Any, operator: Operator, signal: Tensor, *others: Tensor) -> Tensor:
        ctx.others = len(others)
        return run_operator(operator, [signal, *others] if isinstance(operator, Multiply) else [signal], others)

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> tuple[Any, ...]:
        return None, relevance[0], *(None,) * ctx.others


class _Sum(torch.autograd.Function):
    """A sum that hands relevance to its terms by what they add; alike where neither adds anything."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        ctx.terms = first.detach(), second.detach()
        return first + second

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> tuple[Any, ...]:
        adding = [term.clamp_min(0) for term in ctx.terms]
        total = adding[0] + adding[1]
        shares = [torch.where(total > _SMALLEST, one / total.clamp_min(_SMALLEST), 0.5) for one in adding]
        return tuple(
            (relevance[0] * share).sum_to_size(term.shape) for share, term in zip(shares, ctx.terms, strict=True)
        )


class _Mean(torch.autograd.Function):
    """A mean that hands relevance to its elements by what they add; nothing where none adds anything."""

    @staticmethod
    def forward(ctx: Any, operator: Operator, inputs: Tensor) -> Tensor:
        ctx.operator, ctx.inputs = operator, inputs.detach()
        return run_operator(operator, [inputs])

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> tuple[Any, ...]:
        with torch.enable_grad():
            adding = ctx.inputs.clamp_min(0).requires_grad_()
            total = run_operator(ctx.operator, [adding])
        share = torch.where(total > _SMALLEST, relevance[0] / total.clamp_min(_SMALLEST), torch.zeros_like(total))
        (gradient,) = torch.autograd.grad(total, adding, share)
        return None, (adding * gradient).detach()
