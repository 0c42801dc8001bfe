"""Weights of classes in a loss, as a user states them: by name, one for each class, or so that all count alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

BALANCED: Literal["balanced"] = "balanced"
ClassWeights = Literal["balanced"] | tuple[float, ...] | tuple[tuple[str, float], ...]  # see `resolve_class_weights`


def resolve_class_weights(stated: ClassWeights, names: Sequence[str], balanced: Sequence[float]) -> tuple[float, ...]:
    """One weight for each class.

    Args:
        stated: `balanced`, one weight for each class in their order, or pairs of name and weight; classes that are not
            named have weight 1.
        names: The names of the classes.
        balanced: The weights by which all classes count alike.

    Raises:
        ValueError: If there is another number of weights than of classes, a name is none of a class, or a weight is
            not a finite number above 0.
    """
    if stated == BALANCED:
        return tuple(balanced)
    by_name = {entry[0]: entry[1] for entry in stated if isinstance(entry, tuple)}
    unknown = [name for name in by_name if name not in names]
    if unknown:
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise ValueError(f"class weights must be of classes of the data, got {unknown[0]!r}; they are: {shown}")
    plain = [float(entry) for entry in stated if isinstance(entry, int | float)]
    weights = tuple(by_name.get(name, 1.0) for name in names) if by_name else tuple(plain)
    if len(weights) != len(names):
        raise ValueError(f"class weights must be one for each of the {len(names)} classes, got {len(weights)}")
    for name, weight in zip(names, weights, strict=True):
        if not (weight > 0 and math.isfinite(weight)):
            raise ValueError(f"class weights must be above 0 and finite, got {weight:g} of class {name!r}")
    return weights
