"""Runs opaque operators: an operation of torch by its name, with arguments that are data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from search_spaces.operators.opaque import Opaque

_CPU = torch.device("cpu")


def call_opaque(
    operator: Opaque,
    inputs: Sequence[Tensor],
    parameters: Sequence[Tensor] = (),
    batch: int = 0,
    device: torch.device = _CPU,
) -> Any:
    """Calls the operation; returns one tensor or several, of any shape.

    Args:
        operator: The operation and its arguments.
        inputs: The values that replace `{"input": index}`, each of shape (batch, ...).
        parameters: Always empty: stored tensors reach an opaque node as inputs, from `Constant` nodes.
        batch: The batch size, which replaces `{"batch": factor}`.
        device: Torch device on which an operation without input tensors, such as `zeros`, makes its output.
    """
    assert not parameters
    positional, named = _read_arguments(operator.arguments)
    filled = {name: _fill(value, inputs, batch) for name, value in named.items()}
    operation = find_torch_operation(operator.target)
    if device != _CPU and any(argument.name == "device" for argument in operation._schema.arguments):
        filled["device"] = device
    return operation(*_fill(positional, inputs, batch), **filled)


@lru_cache(maxsize=4096)
def find_torch_operation(target: str) -> Any:
    """The operation of torch with a name such as `aten.cumsum.default`.

    Raises:
        ValueError: If torch has no such operation, if it changes its arguments in place, or if a text argument may name
            a file.
    """
    try:
        namespace, name, overload = target.split(".")
        operation = getattr(getattr(getattr(torch.ops, namespace), name), overload)
        mutable = operation._schema.is_mutable
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"an opaque node calls an operation of torch, such as aten.cumsum.default, got {target!r}; import the "
            "package that defines it"
        ) from error
    if mutable:
        raise ValueError(f"an opaque node calls an operation that leaves its arguments as they are, got {target!r}")
    if not _only_computes(namespace, operation):
        raise ValueError(f"an opaque node computes with tensors, and reaches no files; got {target!r}")
    return operation


def _only_computes(namespace: str, operation: Any) -> bool:
    """Whether no argument of an operation can name a file: graphs are data, and may come from an untrusted source.

    Operations of `aten` on tensors take texts such as a rounding mode. Operations without a tensor, or of other
    packages, may open the file that a text names.
    """
    kinds = [str(argument.type) for argument in operation._schema.arguments]
    takes_text = any("str" in kind for kind in kinds)
    return not takes_text or (namespace == "aten" and any("Tensor" in kind for kind in kinds))


@lru_cache(maxsize=4096)
def _read_arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments from their JSON; cached, as every forward pass needs them."""
    positional, named = json.loads(text)
    return positional, named


def _fill(value: Any, inputs: Sequence[Tensor], batch: int) -> Any:
    """An argument in which values replace `{"input": ...}`, `{"batch": ...}` and `{"dtype": ...}`."""
    if isinstance(value, list):
        return [_fill(part, inputs, batch) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, part),) = value.items()
    if kind == "input":
        return inputs[part]
    return part * batch if kind == "batch" else getattr(torch, part)
