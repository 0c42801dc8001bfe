"""Rounds biases to what devices add that compute in integers, so that a network is measured as it will run.

A layer that reads rounded inputs and a rounded weight sums products of codes, and its bias is an integer, too, in units
of input step times weight step (Jacob et al., CVPR 2018, section 2.4). A bias in floating point would be rounded so by
the runtime, after the network was measured: one activation of a thousand then falls to the neighbouring code.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor, nn

from nas.compression.folded_layer import FoldedLayer, fold_layer, fold_unit
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.layer import Layer


@torch.no_grad()
def round_biases(network: nn.Module) -> None:
    """Rounds the bias of each layer with rounded inputs and a rounded weight; of others nothing changes.

    It is the last step of a compression: another range or weight has other steps. A bias that several calls share stays
    as it is, as it cannot lie on the grids of all.

    Args:
        network: A calibrated network from `apply_policy` or `tracing.compress`, in evaluation mode; it is changed in
            place.
    """
    for module in network.modules():
        if isinstance(module, Layer):
            _move(fold_layer(module), module.norm.bias if isinstance(module.norm, nn.BatchNorm2d) else module.op.bias)
        elif isinstance(module, GraphNetwork):
            uses = Counter(name for node in module.graph.nodes for name in node.parameters)
            for unit in (unit for layer in module.graph.layers for unit in layer.units):
                last = unit.accumulated
                stored = dict(zip(last.operator.parameter_shapes, last.parameters, strict=True))
                name = stored.get("bias", stored.get("mean"))
                if name is not None and uses[name] == 1:
                    _move(fold_unit(module, unit), module.tensor(name), is_mean="bias" not in stored)


def _move(layer: FoldedLayer, stored: Tensor | None, is_mean: bool = False) -> None:
    """Moves what is added to the output of a layer by as much as rounding moves its bias; None if nothing is added.

    A normalisation without a bias subtracts its mean, before the gain.
    """
    if stored is not None and layer.is_integer:
        moved = layer.round_bias() - layer.bias
        stored += -moved / layer.gain if is_mean else moved
