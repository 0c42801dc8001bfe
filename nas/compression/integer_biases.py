"""Rounds biases to what devices add that compute in integers, so that a network is measured as it will run.

A layer that reads rounded inputs and a rounded weight sums products of codes, and its bias is an integer, too, in units
of input step times weight step (Jacob et al., CVPR 2018, section 2.4). A bias in floating point would be rounded so by
the runtime, after the network was measured: one activation of a thousand then falls to the neighbouring code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.compression.folded_layer import FoldedLayer, fold_layer, fold_unit
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.layer import Layer


def round_biases(network: nn.Module) -> None:
    """Rounds the bias of each layer with rounded inputs and a rounded weight; of others nothing changes.

    It is the last step of a compression: another range or weight has other steps. The means of normalisations, and
    biases before them, become part of what is added last. What several calls share stays as it is, as it cannot lie on
    the grids of all.

    Args:
        network: A calibrated network from `apply_policy` or `tracing.compress`, in evaluation mode; it is changed in
            place.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Layer):
                norm = module.norm if isinstance(module.norm, nn.BatchNorm2d) else None
                stored = [module.op.bias] if norm is None else [norm.bias, norm.running_mean, module.op.bias]
                _round(fold_layer(module), [tensor for tensor in stored if tensor is not None])
            elif isinstance(module, GraphNetwork):
                uses = Counter(name for node in module.graph.nodes for name in node.parameters)
                for unit in (unit for layer in module.graph.layers for unit in layer.units):
                    nodes = [node for node in (unit.norm, unit.call) if node is not None]
                    roles = [dict(zip(node.operator.parameter_shapes, node.parameters, strict=True)) for node in nodes]
                    names = [one[role] for one in roles for role in ("bias", "mean") if role in one]
                    if all(uses[name] == 1 for name in names):
                        added = [module.tensor(name) for name in names]
                        _round(fold_unit(module, unit), added, is_mean="bias" not in roles[0] and unit.norm is not None)


def _round(layer: FoldedLayer, added: Sequence[Tensor], is_mean: bool = False) -> None:
    """Sets the first of what is added to the output of a layer, shape (out,) each, to the rounded bias, the rest to 0.

    Args:
        layer: The layer.
        added: What is added, the last first; nothing where there is no bias.
        is_mean: Whether the first is subtracted, before the gain, as a normalisation without a bias does it.
    """
    if added and layer.is_integer:
        bias = layer.round_bias()
        for tensor in added:
            tensor.zero_()
        added[0].copy_(-bias / layer.gain if is_mean else bias)
