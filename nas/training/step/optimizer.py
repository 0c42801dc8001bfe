"""Optimisers of a supernet, and their state by parameter name, as a checkpoint holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nas.training.settings import OptimizerName
from nas.training.step.scaled_adam import ScaledAdam
from search_spaces.elastic.supernet import Supernet

State = Mapping[str, Tensor]  # by "name of the parameter/name of the entry"


def create_optimizer(
    supernet: Supernet, name: OptimizerName, weight_decay: float, state: State | None = None
) -> torch.optim.Optimizer:
    """An optimiser whose learning rate is still to be set.

    Args:
        supernet: Weights of layers decay; normalisation, biases, kernel transforms and quantisation steps do not.
        name: `sgd` with Nesterov momentum 0.9, or `scaled_adam`.
        weight_decay: L2 penalty on the weights.
        state: What `read_optimizer_state` gave; parameters without an entry start afresh.
    """
    parameters = dict(supernet.named_parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for key, p in parameters.items() if key.endswith("op.weight")], "weight_decay": weight_decay},
        {"params": [p for key, p in parameters.items() if not key.endswith("op.weight")]},
    ]
    optimizer: torch.optim.Optimizer
    if name == "sgd":
        optimizer = torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True)
    else:
        optimizer = ScaledAdam(groups, lr=0.0)
    for key, tensor in (state or {}).items():
        owner, _, entry = key.rpartition("/")
        parameter = parameters[owner]
        if tensor.shape == parameter.shape:
            restored = torch.empty_like(parameter, requires_grad=False).copy_(tensor)  # in its memory format
        else:  # counts of steps stay on the CPU, as torch's own optimisers keep them
            restored = tensor.to("cpu" if entry == "step" else parameter.device, copy=True)
        optimizer.state[parameter][entry] = restored
    return optimizer


def read_optimizer_state(optimizer: torch.optim.Optimizer, supernet: Supernet) -> dict[str, Tensor]:
    """Every tensor of the optimiser's state under `parameter/entry`, of the parameter's shape or a scalar.

    Args:
        optimizer: Made by `create_optimizer`.
        supernet: The one that it was made for.
    """
    return {
        f"{name}/{entry}": tensor
        for name, parameter in supernet.named_parameters()
        for entry, tensor in optimizer.state.get(parameter, {}).items()
        if isinstance(tensor, Tensor)
    }
