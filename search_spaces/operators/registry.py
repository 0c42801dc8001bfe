"""The operators by name, and operators from text; another package adds one by an entry point `nas.operators`."""

from __future__ import annotations

import json

from search_spaces.operators.arrangement import Flatten, GlobalPool, Pad, Pool, Reshape, Slice, Transpose
from search_spaces.operators.opaque import Constant, Item, Opaque
from search_spaces.operators.operator import Operator, parse_attribute
from search_spaces.operators.pointwise import Activation, BatchNorm, GroupNorm, LayerNorm, RmsNorm, Softmax
from search_spaces.operators.products import Add, Attention, Concatenate, MatrixProduct, Multiply
from search_spaces.operators.weighted import Convolution, Embedding, Linear
from search_spaces.registry import Registry

_CLASSES: list[type[Operator]] = [
    Convolution,
    Linear,
    Embedding,
    MatrixProduct,
    Attention,
    Add,
    Multiply,
    Concatenate,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    RmsNorm,
    Activation,
    Softmax,
    Pool,
    GlobalPool,
    Reshape,
    Flatten,
    Transpose,
    Slice,
    Pad,
    Constant,
    Opaque,
    Item,
]

OPERATORS: Registry[type[Operator]] = Registry(
    "operator",
    {operator.name: operator for operator in _CLASSES},
    lambda entry: isinstance(entry, type) and issubclass(entry, Operator),
)


def parse_operator(text: str) -> Operator:
    """Reads the text of an operator, which `str` writes: its name, then attributes such as `in_features=8`.

    Raises:
        ValueError: If the operator is unknown or cannot have these attributes.
    """
    name, *written = text.split(" ")
    operator = OPERATORS[name]
    try:
        attributes = {key: parse_attribute(value) for key, _, value in (part.partition("=") for part in written)}
        return operator(**attributes)
    except (TypeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError(
            f"an operator is written as its name and attributes, such as 'linear in_features=8 out_features=4', got "
            f"{text[:200]!r} ({error})"
        ) from error
