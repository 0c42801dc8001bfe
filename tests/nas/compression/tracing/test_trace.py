"""Layers are found by operation, parameter and call site; what is not understood runs as it is."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.tracing.trace import TracedNetwork, TraceError, trace
from search_spaces.network_graph import NetworkGraph
from search_spaces.operators.operator import Operator
from search_spaces.operators.pointwise import BatchNorm, LayerNorm
from search_spaces.operators.products import Attention
from search_spaces.operators.weighted import Convolution, Embedding, Linear


class Module(nn.Module):
    """A module of some parts and a function of them and the input."""

    def __init__(self, forward: Callable[..., object], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> object:
        return self.function(self, x)


def traced(forward: Callable[..., object], *shape: int, **parts: nn.Module | nn.Parameter) -> TracedNetwork:
    """A traced module, whose graph gives what the module gives at another batch size, and is a value."""
    torch.manual_seed(0)
    module = Module(forward, **parts).eval()
    found = trace(module, [torch.randn(2, *shape)])
    inputs = torch.randn(5, *shape)
    torch.testing.assert_close(found.network()(inputs), module(inputs))
    assert NetworkGraph.from_json(found.graph.to_json()) == found.graph
    assert [*found.graph.shapes]  # they fit
    return found


def operators(network: TracedNetwork) -> list[Operator]:
    return [node.operator for node in network.graph.nodes]


def test_a_projection_of_a_class_of_its_own_is_a_linear_layer() -> None:
    """As GPT-2 keeps them: the weight is stored as (in, out)."""
    weight, bias = nn.Parameter(torch.randn(4, 6)), nn.Parameter(torch.randn(6))
    found = traced(lambda m, x: torch.addmm(m.b, x.view(-1, 4), m.w).view(-1, 3, 6), 3, 4, w=weight, b=bias)
    (layer,) = found.graph.layers
    assert (layer.name, layer.operator) == ("w", Linear(4, 6, True))
    assert found.graph.macs == 3 * 4 * 6


def test_tied_weights_are_one_parameter_however_they_are_viewed() -> None:
    tied = nn.Parameter(torch.randn(9, 4))

    def forward(m: Module, x: Tensor) -> Tensor:
        rows = F.embedding((x > 0).long(), m.table)
        return F.linear(rows, m.table) + rows @ m.table.t()

    (layer,) = traced(forward, 3, table=tied).graph.layers
    assert [unit.call.operator for unit in layer.units] == [Embedding(9, 4), Linear(4, 9), Linear(4, 9)]


def test_parts_of_one_parameter_are_layers_of_their_own() -> None:
    whole = nn.Parameter(torch.randn(8, 4))
    found = traced(lambda m, x: F.linear(x, m.w[:4]) * F.linear(x, m.w[4:]), 4, w=whole)
    assert [layer.name for layer in found.graph.layers] == ["w", "w.2"]


def test_the_effective_weight_is_what_is_stored() -> None:
    conv = nn.Conv2d(3, 4, 3)

    def forward(m: Module, x: Tensor) -> Tensor:
        weight = (m.conv.weight - m.conv.weight.mean((1, 2, 3), keepdim=True)) / m.conv.weight.std(
            (1, 2, 3), keepdim=True
        )
        return F.conv2d(x, weight, m.conv.bias, 2, 1)

    found = traced(forward, 3, 8, 8, conv=conv)
    (layer,) = found.graph.layers
    assert isinstance(layer.operator, Convolution)
    assert abs(found.parameters[layer.weight].mean()) < 1e-6
    assert found.parameters[layer.weight].requires_grad


def test_what_depends_on_parameters_alone_is_computed_once() -> None:
    places = nn.Embedding(7, 4)
    found = traced(lambda m, x: x + m.places(torch.arange(3)).softmax(-1), 3, 4, places=places)
    assert [node.operator.name for node in found.graph.nodes] == ["constant", "add"]


def test_a_norm_folds_only_into_the_layer_that_it_follows() -> None:
    found = traced(lambda m, x: m.b(m.a(x)), 5, 4, a=nn.Linear(4, 4), b=nn.BatchNorm1d(5))
    assert BatchNorm(5, 1) in operators(found)
    assert found.graph.layers[0].units[0].norm is None  # it has a scale for each token, not for each output
    found = traced(lambda m, x: m.b(m.a(x)).relu(), 4, a=nn.Linear(4, 6), b=nn.BatchNorm1d(6))
    (unit,) = found.graph.layers[0].units
    assert unit.norm is not None
    assert unit.activation is not None


def test_changes_in_place_and_several_outputs() -> None:
    def forward(m: Module, x: Tensor) -> tuple[Tensor, ...]:
        left, right = x.mul(2).chunk(2, 1)
        left += right
        largest, places = left.max(-1)
        return left.relu_(), largest, places

    found = traced(forward, 6, 4)
    assert {"slice", "add", "item"} <= {*found.graph.operator_counts}
    assert found.opaque["aten.max.dim"] == 1


def test_windows_and_heads_that_take_the_batch_apart() -> None:
    def forward(m: Module, x: Tensor) -> Tensor:
        windows = x.view(x.shape[0], 2, 4, 8).flatten(0, 1)  # twice the batch leads
        q, k, v = m.qkv(m.norm(windows)).view(-1, 4, 3, 2, 4).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v).sum((1, 3)).view(x.shape[0], -1)

    found = traced(forward, 8, 8, qkv=nn.Linear(8, 24), norm=nn.LayerNorm(8))
    assert {Attention(), LayerNorm((8,)), Linear(8, 24, True)} <= {*operators(found)}
    assert found.graph.macs == 2 * (4 * 8 * 24 + 2 * 4 * 4 * 8)


@pytest.mark.parametrize("size", [2, 3])
def test_a_batch_that_is_fixed_is_kept_and_said(size: int) -> None:
    module = Module(lambda m, x: x.reshape(len(x), -1) * len(x)).eval()
    found = trace(module, [torch.randn(size, 4)])
    assert found.graph.batch == size
    with pytest.raises(ValueError, match=f"this network runs at a batch of {size} alone, got 7"):
        found.network()(torch.randn(7, 4))


def silent(_: Module, x: Tensor) -> Tensor:
    """Fails without a word."""
    raise ValueError


def test_the_module_stays_as_it_is() -> None:
    module = Module(lambda m, x: m.drop(m.norm(x)), norm=nn.BatchNorm1d(4), drop=nn.Dropout(0.5)).train()
    module.norm.eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    found = trace(module, {"x": torch.randn(1, 4)})
    assert [part.training for part in (module, module.norm, module.drop)] == [True, False, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert found.parameters["norm.weight"] is module.norm.weight


@pytest.mark.parametrize(
    ("forward", "line"),
    [
        (lambda m, x: x + torch.rand(4), "^the graph must give .* draws at random in evaluation"),
        (
            lambda m, x: x if x.sum() > 0 else -x,
            r"^the module must be exported by torch.export, got Guard\w+ at \S*test_trace.py:\d+: Could not guard",
        ),
        (silent, r"^the module must be exported by torch.export, got ValueError at \S*test_trace.py:\d+$"),
        (lambda m, x: m.norm.running_mean.add_(1) + x, "^a network must leave its tensors as they are in evaluation"),
        (lambda m, x: m.norm(x), "^the outputs of a module must be finite .* as those of norm.running_var$"),
        (lambda m, x: x.sum(1) / 0, "^the outputs of a module must be finite numbers, got others for its examples"),
    ],
)
def test_what_cannot_be_traced_is_refused_in_one_line(
    forward: Callable[..., object], line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    norm = nn.BatchNorm1d(4)
    norm.running_var = torch.full((4,), math.nan)
    with pytest.raises(TraceError, match=line) as refused:
        trace(Module(forward, norm=norm), [torch.randn(2, 4)])
    assert "\n" not in str(refused.value)
    assert capfd.readouterr() == ("", "")  # torch would print whole graphs


def test_examples_of_different_batch_sizes_are_refused() -> None:
    with pytest.raises(
        TraceError, match=r"examples must be tensors of one batch size, got shapes \[\(2, 4\), \(3, 4\)\]"
    ):
        trace(nn.Identity(), [torch.zeros(2, 4), torch.zeros(3, 4)])
