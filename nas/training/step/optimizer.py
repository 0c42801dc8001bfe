"""The optimisers of a supernet, and their state by name of the parameter, as a checkpoint holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nas.training.settings import OptimizerName
from nas.training.step.scaled_adam import ScaledAdam
from search_spaces.elastic.supernet import Supernet

# entries of the state of a parameter: those of its shape, and scalars
_ENTRIES: dict[OptimizerName, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sgd": (("momentum_buffer",), ()),
    "scaled_adam": (("exp_avg", "exp_avg_sq"), ("step", "scale_exp_avg", "scale_exp_avg_sq")),
}
State = Mapping[str, Tensor]  # by name of the parameter, a slash, and name of the entry, such as "exp_avg"


def create_optimizer(
    supernet: Supernet, name: OptimizerName, weight_decay: float, state: State | None = None
) -> torch.optim.Optimizer:
    """An optimiser with a learning rate of 0, which the training sets at every step.

    Args:
        supernet: The supernet. The weights of its layers decay; its normalisations, biases, kernel transforms and
            quantisation steps do not.
        name: `sgd` with Nesterov momentum 0.9, or `scaled_adam`.
        weight_decay: L2 penalty on the weights of layers.
        state: A result of `read_optimizer_state`; parameters without an entry start afresh.
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
    """The tensors of an optimiser's state, each a scalar or of the shape of its parameter, by `parameter/entry`.

    Args:
        optimizer: A result of `create_optimizer`.
        supernet: The supernet that the optimiser was created for.
    """
    return {
        f"{name}/{entry}": tensor
        for name, parameter in supernet.named_parameters()
        for entry, tensor in optimizer.state.get(parameter, {}).items()
        if isinstance(tensor, Tensor)
    }


def list_optimizer_state(supernet: Supernet, name: OptimizerName) -> dict[str, Tensor]:
    """Tensors of the names, shapes and types that the state of an optimiser may have, by `parameter/entry`.

    Args:
        supernet: The supernet that the optimiser is for.
        name: The optimiser; see `create_optimizer`.
    """
    shaped, scalars = _ENTRIES[name]
    found: dict[str, Tensor] = {}
    for key, parameter in supernet.named_parameters():
        found |= {f"{key}/{entry}": parameter.detach() for entry in shaped}
        found |= {f"{key}/{entry}": parameter.new_zeros(()).detach() for entry in scalars}
    return found
