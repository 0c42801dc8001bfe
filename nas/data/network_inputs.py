"""Inputs that were made for a network go into it as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nas.data.input_transform import InputTransform


@dataclass(frozen=True)
class NetworkInputs(InputTransform):
    """Numbers as a network reads them, such as images that were distilled from it."""

    def shape(self, stored: tuple[int, ...], resolution: int) -> tuple[int, ...]:  # noqa: ARG002 it is that of stored
        """The shape of what is stored."""
        return stored

    def inputs(self, images: Tensor, resolution: int) -> Tensor:  # noqa: ARG002
        """The numbers themselves, shape (n, *shape)."""
        return images

    def describe(self) -> Mapping[str, str]:
        """What the inputs are; how data become such is not known."""
        return {"inputs": "float32, shape (batch, ...): as the network was trained to read them"}
